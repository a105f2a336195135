import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { SERVICE_TIERS } from '../../jobs/job.ts'
import { SUGGESTED_MODEL } from '../../models/catalogue.ts'
import type { ModelDescription } from '../../models/catalogue.ts'
import { mayUse } from '../authentication/principal.ts'
import { FRAMEWORKS } from '../context.ts'
import type { ApiContext } from '../context.ts'
import { nullable } from '../nullable.ts'
import { sharedErrors } from '../openai/error-schemas.ts'
import { addAnswerHeaders } from '../openai/headers.ts'
import { unknownModel } from '../openai/options.ts'
import { baseUrl } from '../urls.ts'

const TierUrls = Type.Object({ cpuflex: Type.String(), gpuflex: Type.String() })

const ParameterSchema = Type.Object({
  name: Type.String(),
  type: Type.String(),
  nullable: Type.Boolean(),
  list: Type.Boolean({ description: 'Whether it takes a list of numbers as well.' }),
  default: Type.Unknown(),
  description: Type.String(),
  unit: Type.Optional(Type.String({ description: 'Of its numbers.' })),
  minimum: Type.Optional(Type.Number()),
  exclusiveMinimum: Type.Optional(Type.Number({ description: 'It has to be above.' })),
  maximum: Type.Optional(Type.Number()),
  values: Type.Optional(Type.Array(Type.String())),
})

const ModelSchema = Type.Object({
  id: Type.String({ examples: [SUGGESTED_MODEL.id] }),
  aliasOf: Type.Optional(
    Type.String({ description: 'Of a name that OpenAI’s clients send: the id of the model that it stands for here.' }),
  ),
  object: Type.Literal('model'),
  created: Type.Integer({ description: 'Seconds since the epoch.' }),
  owned_by: Type.String(),
  name: Type.String(),
  type: Type.Literal('automatic-speech-recognition'),
  framework: Type.Enum(FRAMEWORKS, {
    description: 'What runs it: onnxruntime, the engine of this server; openai-api, another server.',
  }),
  description: Type.String(),
  license: nullable(Type.String()),
  parameterCount: nullable(Type.Integer()),
  sizeBytes: nullable(Type.Integer({ description: 'Of the weights.' })),
  languages: nullable(Type.Array(Type.String())),
  weightsPresent: Type.Boolean({ description: 'False: the weights are fetched at first use.' }),
  endpoints: Type.Object({ async: TierUrls, sync: TierUrls }),
  parameters: Type.Array(ParameterSchema),
})

/** What can be submitted to, in a superset of the form that OpenAI's clients read. */
export function modelRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { catalogue, names, familyOf, models, settings } = context

  const describe = async (
    model: ModelDescription,
    request: FastifyRequest,
    name = model.id,
  ): Promise<Type.Static<typeof ModelSchema>> => ({
    id: name,
    ...(name === model.id ? {} : { aliasOf: model.id }),
    object: 'model',
    created: Math.floor(model.publishedAt.getTime() / 1000),
    owned_by: model.publisher,
    name: model.name,
    type: 'automatic-speech-recognition',
    framework: settings.framework,
    description: model.description,
    license: model.license,
    parameterCount: model.parameters,
    sizeBytes: model.sizeBytes,
    languages: model.languages === null ? null : [...model.languages],
    weightsPresent: await models.isPresent(model.id),
    endpoints: { async: tierUrls('/v1/async/ent', model, request), sync: tierUrls('/v1/ent', model, request) },
    parameters: (await familyOf(model)).parameters.descriptions.map(({ isNullable, isList, values, ...rest }) => ({
      ...rest,
      nullable: isNullable,
      list: isList,
      ...(values === undefined ? {} : { values: [...values] }),
    })),
  })

  const tierUrls = (path: string, model: ModelDescription, request: FastifyRequest): Type.Static<typeof TierUrls> => {
    const url = `${baseUrl(request, context)}${path}/tiyarofs/1/${model.id}`
    const [cpuflex, gpuflex] = SERVICE_TIERS.map((tier) => `${url}?serviceTier=${tier}`)
    return { cpuflex: cpuflex ?? url, gpuflex: gpuflex ?? url }
  }

  const show = async (id: string, request: FastifyRequest): Promise<Type.Static<typeof ModelSchema>> => {
    const model = await names.find(id)
    if (model === undefined) throw unknownModel(id)
    return await describe(model, request, id)
  }

  return (api, _options, done) => {
    addAnswerHeaders(api)
    api.get(
      '/v1/models',
      {
        schema: {
          tags: ['Models'],
          summary: 'List the models that the API key may use',
          response: {
            200: Type.Object({ object: Type.Literal('list'), data: Type.Array(ModelSchema) }),
            ...sharedErrors(401, 403, 429),
          },
        },
      },
      async (request) => {
        const { principal } = request
        const isUsable = ({ id }: ModelDescription, name = id): boolean =>
          principal === null || mayUse(principal, id, name)
        const aliases = (await names.listed()).filter(({ model, name }) => isUsable(model, name))
        const data = await Promise.all([
          ...catalogue
            .list()
            .filter((model) => isUsable(model))
            .map((model) => describe(model, request)),
          ...aliases.map(({ name, model }) => describe(model, request, name)),
        ])
        return { object: 'list' as const, data }
      },
    )
    api.get(
      '/v1/models/:publisher/:model',
      {
        schema: {
          tags: ['Models'],
          summary: 'Describe a model',
          params: Type.Object({ publisher: Type.String(), model: Type.String() }),
          response: { 200: ModelSchema, ...sharedErrors(401, 403, 404, 429) },
        },
      },
      async (request) => await show(`${request.params.publisher}/${request.params.model}`, request),
    )
    // OpenAI's clients encode the slash of an id.
    api.get(
      '/v1/models/:id',
      { schema: { hide: true, params: Type.Object({ id: Type.String() }) } },
      async (request) => await show(request.params.id, request),
    )
    done()
  }
}
