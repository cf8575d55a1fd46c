export { checkEnvironment, type Environment } from "../host/env.ts";
export type { LogChunk } from "../runs/log-block.ts";
export type { Run } from "../runs/run.ts";
export { endView, interruptionView, statusLine } from "../runs/run-view.ts";

export type TextStream = "stdout" | "stderr";

/** MIME type → value: text as string, images as base64, `application/json` as the value itself. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** What a cell produces besides text, in the order in which it happened. */
export type CellEvent =
  | { type: "start"; count: number }
  | { type: "result"; isMain: boolean; data: MimeBundle }
  | { type: "error"; name: string; value: string; traceback: string };

/** How a cell ended in its kernel. */
export type CellStatus = "ok" | "error" | "interrupted";

/** What a kernel says of itself when it is ready. */
export interface KernelIdentity {
  engine: string;
  version: string;
}
