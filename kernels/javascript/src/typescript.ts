import { SourceMap, stripTypeScriptTypes } from "node:module";

export interface PlainCode {
  code: string;
  /** Where lines of the code come from, when they have moved. */
  map?: SourceMap;
}

const UNSUPPORTED = "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX";
const MAP_COMMENT = /\n\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/;

/** TypeScript without its types: blanked out where that is enough, which moves nothing; else enums and namespaces transformed. */
export function toJavaScript(source: string): PlainCode {
  try {
    return { code: stripTypeScriptTypes(source, { mode: "strip" }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== UNSUPPORTED) throw error;
  }
  const transformed = stripTypeScriptTypes(source, { mode: "transform", sourceMap: true });
  const found = MAP_COMMENT.exec(transformed);
  if (!found) return { code: transformed };
  const payload = JSON.parse(Buffer.from(found[1] ?? "", "base64").toString("utf8")) as SourceMap["payload"];
  return { code: transformed.slice(0, found.index), map: new SourceMap(payload) };
}
