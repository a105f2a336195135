/** Cells of a device's caches are added by so many, since each new number of them moves all caches. */
export const CELLS_PER_BLOCK = 256

/** Added to the score of a cell that is not seen. Finite, since shaders may be compiled as if there were no infinity; fits float16. */
export const HIDDEN = -30_000
