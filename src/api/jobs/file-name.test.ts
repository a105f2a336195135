import { parse } from 'content-disposition'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentDisposition } from './file-name.ts'

/** The name that a browser reads in it. */
function nameIn(header: string): string | undefined {
  return parse(header).parameters['filename']
}

describe('the file of a result', () => {
  test.each([
    [null, 'job-1.srt'],
    ['', 'job-1.srt'],
    ['talk.mp3', 'talk.srt'],
    ['Dr. Smith, part 2.m4a', 'Dr. Smith, part 2.srt'],
    ['Dr. Smith', 'Dr. Smith.srt'],
    ['Gespräch über Größe.mp3', 'Gespräch über Größe.srt'],
    ['会议录音.wav', '会议录音.srt'],
    ['👩‍🚀.wav', '👩‍🚀.srt'],
    ['100%41.wav', '100%41.srt'],
    ['../../etc/passwd', 'passwd.srt'],
    ['C:\\Users\\x\\talk.wav', 'talk.srt'],
    ['..', 'job-1.srt'],
    ['.hidden', 'job-1.srt'],
    ['talk\r\nSet-Cookie: a=b', 'talk__Set-Cookie_ a=b.srt'],
    ['a"; filename="b.exe', 'a_; filename=_b.srt'],
    ['invoice\u202efdp.exe', 'invoice_fdp.srt'],
    ['CON.wav', 'CON_.srt'],
    [' . talk . ', 'talk.srt'],
  ])('%j is kept as %j', (name, file) => {
    expect(nameIn(contentDisposition(name, 'job-1', 'srt'))).toBe(file)
  })

  test('is named in ASCII for those who can’t read more, and else by RFC 8187', () => {
    expect(contentDisposition('Größe.mp3', 'job-1', 'vtt')).toBe(
      `attachment; filename="Gr??e.vtt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.vtt`,
    )
  })

  test('has a header of printable ASCII, and a name that every system takes, whatever the recording is called', () => {
    const name = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii', maxLength: 300 }))
    fc.assert(
      fc.property(name, (given) => {
        const header = contentDisposition(given, 'job-1', 'txt')
        expect(header).toMatch(/^attachment; [\x20-\x7e]*$/)
        const file = nameIn(header) ?? ''
        expect(file).toMatch(/^[^\s./\\][^/\\\p{Cc}]*\.txt$/u)
        expect(Buffer.byteLength(file)).toBeLessThanOrEqual(255)
      }),
    )
  })
})
