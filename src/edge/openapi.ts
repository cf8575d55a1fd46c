import type { GenericSchema } from "valibot";
import type { AnswerDoc, OperationDoc } from "./operation-doc.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;
type ToJson = (schema: GenericSchema, typeMode: "input" | "output") => Json;

const PROBLEM = {
  description: "RFC 9457 problem details with code, reason and hint",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};
const ERROR = {
  description: "an error",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};
const SCHEMAS = {
  Problem: {
    type: "object",
    properties: {
      type: { type: "string" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string" },
      instance: { type: "string" },
      code: { type: "string" },
      reason: { type: "string" },
      hint: { type: "string" },
    },
    required: ["type", "title", "status", "detail", "code"],
  },
  Error: {
    type: "object",
    properties: { code: { type: "integer" }, message: { type: "string" } },
    required: ["code", "message"],
  },
};

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
      description: "Processes, terminals, files and code contexts of a sandbox.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: "apiKey", in: "header", name: "X-Access-Token" },
        bearer: { type: "http", scheme: "bearer" },
      },
      schemas: SCHEMAS,
    },
  };
}

function operation(route: Route, doc: OperationDoc, toJson: ToJson): Json {
  const failure = route.family === "native" ? PROBLEM : ERROR;
  return {
    operationId: operationId(route),
    summary: doc.summary,
    tags: [doc.tag],
    ...(route.access === "open" && { security: [] }),
    parameters: [
      ...pathParameters(route.path),
      ...queryParameters(doc.query, toJson),
      ...headerParameters(doc.headers),
    ],
    ...(bodyOf(doc, toJson) && { requestBody: { content: bodyOf(doc, toJson) } }),
    responses: {
      ...Object.fromEntries(Object.entries(doc.answers).map(([status, answer]) => [status, answerOf(answer, toJson)])),
      "4XX": failure,
    },
  };
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

function answerOf({ description, json, media }: AnswerDoc, toJson: ToJson): Json {
  const content = {
    ...(json && { "application/json": { schema: toJson(json, "output") } }),
    ...Object.fromEntries(media?.map((type) => [type, { schema: schemaOf(type) }]) ?? []),
  };
  return { description, ...(Object.keys(content).length > 0 && { content }) };
}

/** A body that is not JSON: text, bytes (which have no schema in OpenAPI 3.1) or files of a form. */
function schemaOf(media: string): Json {
  if (media === "application/octet-stream") return {};
  if (media !== "multipart/form-data") return { type: "string" };
  return {
    type: "object",
    properties: { file: { type: "array", items: { contentMediaType: "application/octet-stream" } } },
  };
}
