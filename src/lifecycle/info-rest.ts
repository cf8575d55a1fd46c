import { InfoAnswer } from "../contracts/info.ts";
import { openApiDocument } from "../edge/openapi.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import type { Access } from "./access.ts";
import type { Info } from "./info.ts";

/** `/`, `/v1/info` and `/openapi.json`; `allRoutes` are the ones to document. */
export function infoRoutes(info: Info, access: Access, version: string, allRoutes: () => readonly Route[]): Route[] {
  let document: Promise<Record<string, unknown>> | undefined;
  return [
    route("GET /", { family: "native", access: "token" }, (c) => c.text(welcome(c, version))),
    route("GET /v1/info", { family: "native", access: "token", doc: INFO }, async (c) =>
      c.json(await view(info, access)),
    ),
    route("GET /openapi.json", { family: "native", access: "token" }, async (c) => {
      document ??= openApiDocument(allRoutes(), version);
      return c.json(await document);
    }),
  ];
}

const INFO = {
  summary: "Versions, limits, and what works here or why it does not",
  tag: "info",
  answers: { 200: { description: "this daemon", json: InfoAnswer } },
};

async function view(info: Info, access: Access): Promise<Record<string, unknown>> {
  const { capabilities, languages, startedAt, template, ...rest } = await info.collect();
  return {
    ...rest,
    startedAt: startedAt.toISOString(),
    access: access.state,
    template: { state: template.state, why: template.why, run: template.runId, restarts: template.restarts },
    capabilities: Object.fromEntries(
      capabilities.map(({ name, isAvailable: available, ...facts }) => [name, { available, ...facts }]),
    ),
    kernels: Object.fromEntries(
      languages.map(({ language, isAvailable: available, ...facts }) => [language, { available, ...facts }]),
    ),
  };
}

/** The lines a person with curl needs most. */
function welcome(c: EdgeContext, version: string): string {
  const base = `http://${c.req.header("host") ?? "localhost:49983"}`;
  return `guestd ${version}

  G=${base}          # with a token add: -H "X-Access-Token: $TOKEN"

  curl -N $G/v1/run --data-binary 'echo hello; date'              run a command line, output as it comes
  curl $G/v1/run --json '{"cmd":"ls","args":["-la"],"cwd":"/tmp"}'  run a program, one JSON answer
  curl -T data.csv "$G/v1/run?cmd=wc%20-l"                         feed it standard input
  curl $G/v1/runs                                                  what runs and has run
  curl -N "$G/v1/runs/ID/log?follow=1"                             output from any offset
  curl $G/v1/runs/ID/signal --json '{"signal":"SIGINT"}'           signal it
  curl -X DELETE $G/v1/runs/ID                                     kill and forget it
  curl -N $G/v1/run --json '{"shell":"tty","pty":{"cols":80,"rows":24}}' -H 'Accept: text/plain'   the same in a terminal
  ws://…/v1/pty, ws://…/v1/runs/ID/attach                          a terminal of one's own, or part of one (WebSockets)
  curl $G/v1/code/python --data-binary 'import math; math.pi'      run code: what it prints, then its result (?context=ID)
  curl $G/v1/contexts --json '{"language":"python"}'               a context of one's own; /ID/interrupt, /ID/restart, DELETE
  curl $G/v1/files/etc/hostname                                    read a file, or list a directory (-H 'Accept: text/plain' as ls does)
  curl -T data.csv $G/v1/files/~/data.csv                          write one in one step; ?append=1, ?durable=1, If-Match
  curl -X DELETE "$G/v1/files/tmp/box?recursive=1"                 remove; mkdir, move, copy, chmod: POST {"op":…}
  curl -N "$G/v1/watch?path=/tmp&recursive=1"                      changes of a directory as they come
  curl $G/v1/git/clone --json '{"url":"https://…","path":"app","depth":1}'   clone, also "credentials":{"username":…,"password":…}
  curl "$G/v1/git/status?path=app" -H 'Accept: text/plain'         what has changed; diff, log, show, branches, tags; to change it, POST add, commit, push …
  curl "$G/v1/ports?follow=1"                                      what programs listen on, as it comes and goes
  curl $G/v1/info                                                  what works here, and why something does not
  curl $G/metrics                                                  processor, memory, disk
  curl $G/openapi.json                                             everything, for machines; ${base}/docs for browsers
`;
}
