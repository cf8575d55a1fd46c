import type { GenericSchema } from "valibot";

/** One possible answer of an operation. */
export interface AnswerDoc {
  description: string;
  /** Schema of a JSON body. */
  json?: GenericSchema;
  /** Media types of a body that is not one JSON value. */
  media?: readonly string[];
}

/** What the OpenAPI document says of an operation; schemas are the ones that requests are checked with. */
export interface OperationDoc {
  summary: string;
  tag: string;
  query?: GenericSchema;
  /** Request headers that it heeds, and what each is for. */
  headers?: Readonly<Record<string, string>>;
  body?: GenericSchema;
  /** Media types of a request body that is not JSON. */
  bodyMedia?: readonly string[];
  answers: Readonly<Record<number, AnswerDoc>>;
}
