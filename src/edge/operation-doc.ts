import type { GenericSchema } from "valibot";

/** One possible answer of an operation. */
export interface AnswerDoc {
  description: string;
  /** Schema of a JSON body. */
  json?: GenericSchema;
  /** Media types of a body that is not one JSON value. */
  media?: readonly string[];
  /** Schema of each event where the body may be a stream of them. */
  events?: GenericSchema;
  /** Media types of that stream: lines of JSON and server-sent events unless given. */
  eventMedia?: readonly string[];
  /** A failure without a body, unlike those of its family. */
  isEmpty?: boolean;
  /** Response headers and trailers that say something of their own. */
  headers?: Readonly<Record<string, string>>;
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
  /** The JSON body may be left out. */
  isBodyOptional?: boolean;
  /** Its errors are plain text, whatever its family's are. */
  failsAsText?: boolean;
  answers: Readonly<Record<number, AnswerDoc>>;
}
