import type { GenericSchema } from "valibot";
import { FAILURE_SCHEMAS, failuresOf } from "./openapi-failures.ts";
import type { AnswerDoc, OperationDoc } from "./operation-doc.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;
type ToJson = (schema: GenericSchema, typeMode: "input" | "output") => Json;

/** The OpenAPI 3.1 document of all routes that have one. The schema converter is loaded when first asked for. */
export async function openApiDocument(routes: readonly Route[], version: string): Promise<Json> {
  const { toJsonSchema } = await import("@valibot/to-json-schema");
  const toJson: ToJson = (schema, typeMode) => {
    const { $schema: _dialect, ...json } = toJsonSchema(schema, { typeMode, errorMode: "ignore" });
    return json;
  };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (!route.doc) continue;
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}").replaceAll(/\{(\w+)\}\{[^}]*\}/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, route.doc, toJson) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "guestd",
      version,
      description:
        "Processes, terminals, files and code contexts of a sandbox. Basic authentication (any password) says whose programs and files a request means; it is no proof of anything.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: TOKEN_SECURITY,
    paths,
    components: {
      securitySchemes: {
        token: { type: "apiKey", in: "header", name: "X-Access-Token" },
        bearer: { type: "http", scheme: "bearer" },
      },
      schemas: FAILURE_SCHEMAS,
    },
  };
}

function operation(route: Route, doc: OperationDoc, toJson: ToJson): Json {
  const content = bodyOf(doc, toJson);
  const failures = failuresOf(route.family, { isText: doc.failsAsText ?? false, hasBody: content !== undefined });
  const answers = Object.entries(doc.answers).map(([status, answer]): [string, Json] => {
    const answered = answerOf(answer, toJson);
    const isSilentFailure = Number(status) >= 400 && !("content" in answered) && !answer.isEmpty;
    return [status, isSilentFailure ? { ...answered, content: failures.content(Number(status)) } : answered];
  });
  return {
    operationId: operationId(route),
    summary: doc.summary,
    tags: [doc.tag],
    ...securityOf(route),
    parameters: [
      ...pathParameters(route.path),
      ...queryParameters(doc.query, toJson),
      ...headerParameters(doc.headers),
    ],
    ...(content && { requestBody: { required: isBodyRequired(doc), content } }),
    responses: { ...failures.usual, ...Object.fromEntries(answers) },
  };
}

const TOKEN_SECURITY = [{ token: [] }, { bearer: [] }];

/** What the gate asks for: a route that looks itself, or is open to the published SDKs, does without the header too. */
function securityOf({ access }: Route): { security?: Json[] } {
  if (access === "token") return {};
  return { security: access === "open" ? [] : [...TOKEN_SECURITY, {}] };
}

/** A JSON body alone always has to be there; bytes may be none at all. */
function isBodyRequired({ body, bodyMedia, isBodyOptional = false }: OperationDoc): boolean {
  return body !== undefined && !bodyMedia && !isBodyOptional;
}

/** `POST /v1/runs/:id/signal` → `postV1RunsByIdSignal` */
function operationId({ method, path }: Route): string {
  const words = path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "by/$1").split(/\W+/);
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join("");
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(query: GenericSchema | undefined, toJson: ToJson): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = toJson(query, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => {
    const { description, ...rest } = schema;
    return {
      name,
      in: "query",
      required: required.includes(name),
      ...(description ? { description } : {}),
      schema: rest,
    };
  });
}

function headerParameters(headers: OperationDoc["headers"] = {}): Json[] {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: "header",
    description,
    schema: { type: "string" },
  }));
}

function bodyOf(doc: OperationDoc, toJson: ToJson): Json | undefined {
  const json = doc.body && { "application/json": { schema: toJson(doc.body, "input") } };
  const other = doc.bodyMedia?.map((media) => [media, { schema: schemaOf(media) }]) ?? [];
  return json || other.length > 0 ? { ...json, ...Object.fromEntries(other) } : undefined;
}

const EVENT_MEDIA = ["application/x-ndjson", "text/event-stream"];

function answerOf(answer: AnswerDoc, toJson: ToJson): Json {
  const { description, json, media = [], events, eventMedia = EVENT_MEDIA, headers = {} } = answer;
  const event = events && toJson(events, "output");
  const content = {
    ...(json && { "application/json": { schema: toJson(json, "output") } }),
    ...Object.fromEntries(media.map((type) => [type, { schema: schemaOf(type) }])),
    ...(event && Object.fromEntries(eventMedia.map((type) => [type, { schema: { ...event, description: EACH } }]))),
  };
  const told = Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: "string" } }]);
  return {
    description,
    ...(told.length > 0 && { headers: Object.fromEntries(told) }),
    ...(Object.keys(content).length > 0 && { content }),
  };
}

/** OpenAPI 3.1 has no word for a stream of values. */
const EACH = "each line, or the data of each server-sent event";

/** A body that is not JSON: text, bytes (which have no schema in OpenAPI 3.1) or files of a form. */
function schemaOf(media: string): Json {
  if (media === "application/octet-stream" || media === "*/*") return {};
  if (media !== "multipart/form-data") return { type: "string" };
  return {
    type: "object",
    properties: { file: { type: "array", items: { contentMediaType: "application/octet-stream" } } },
  };
}
