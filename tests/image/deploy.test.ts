import { execFile, spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";
import { validatorsFolder } from "../helpers/prepare-machine.ts";
import { buildImage, buildNodeWithRegistry, buildOver, IS_SLIM } from "./container.ts";

const execute = promisify(execFile);
const TOOLS = join(validatorsFolder(REPOSITORY), "bin");
const PAGE = readFileSync(join(REPOSITORY, "docs", "deploy.md"), "utf8");
const DOCKERFILE = join(REPOSITORY, "Dockerfile");
const GUESTD = "/opt/guestd/bin/guestd";

/** The one example in `language` that has `line` in it. */
function example(language: string, line: string): string {
  const blocks = [...PAGE.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, name, text = ""]) =>
    name === language && text.split("\n").includes(line) ? [text] : [],
  );
  expect(blocks, line).toHaveLength(1);
  return blocks[0] ?? "";
}

/** What a validator says of `text` in a file; a status other than 0 throws that. */
async function validate(name: string, text: string, command: string, ...args: string[]): Promise<string> {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-deploy-"));
  const file = join(folder.path, name);
  writeFileSync(file, text);
  const { stdout, stderr } = await execute(command, [...args, file]);
  return stdout + stderr;
}

const validatePod = (text: string): Promise<string> =>
  validate("pod.yaml", text, join(TOOLS, "kubernetes-validate"), "--strict");
const validateCompose = (text: string): Promise<string> =>
  validate("compose.yaml", text, join(TOOLS, "check-jsonschema"), "--builtin-schema", "vendor.compose-spec");
/** The program in the unit is not on this machine. */
const validateUnit = (text: string): Promise<string> =>
  validate("guestd.service", text.replace(GUESTD, process.execPath), "systemd-analyze", "verify", "--man=no");

test("the compose file is one", async () => {
  const text = example("yaml", "services:");
  await validateCompose(text);
  await expect(validateCompose(text.replace("pids_limit", "pid_limit"))).rejects.toMatchObject({
    stdout: expect.stringContaining("pid_limit"),
  });
});

test("the pod is what Kubernetes takes", async () => {
  const text = example("yaml", "kind: Pod");
  await validatePod(text);
  await expect(validatePod(text.replace("readOnlyRootFilesystem", "readOnlyRoot"))).rejects.toMatchObject({
    stdout: expect.stringContaining("readOnlyRoot"),
  });
});

test("the pod has a place for the files that say which sandbox it is", () => {
  const [, folder = ""] = /^ENV GUESTD_IDENTITY_DIR=(.*)$/m.exec(readFileSync(DOCKERFILE, "utf8")) ?? [];
  expect(folder).not.toBe("");
  expect(example("yaml", "kind: Pod")).toContain(`\n          mountPath: ${folder}\n`);
});

test("the pod of the agent-sandbox is what Kubernetes takes, and its own fields are those there are", async () => {
  const script = join(import.meta.dirname, "pod-of-sandbox.py");
  const input = example("yaml", "kind: Sandbox");
  const { status, stdout, stderr } = spawnSync(join(TOOLS, "python"), [script], { input, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  await validatePod(stdout);
});

test("the unit has nothing that systemd does not know", async () => {
  const text = example("ini", "[Service]");
  expect(await validateUnit(text)).not.toContain("guestd.service");
  expect(await validateUnit(text.replace("OOMPolicy", "OomPolicy"))).toMatch(/guestd\.service.*OomPolicy/);
});

test("the Dockerfile has nothing of BuildKit but mounts, which sed takes out as its head says", async () => {
  const plain = await plainDockerfile();
  expect(plain).toContain("\nRUN sh /tmp/kernels/install.sh $KERNELS");
  const instructions = plain.split("\n").filter((line) => !line.startsWith("#"));
  const flags = instructions.flatMap((line) => /^(?:RUN|COPY|ADD|FROM) +(--\w+)/.exec(line)?.[1] ?? []);
  expect(new Set(flags)).toEqual(new Set(["--from"]));
  expect(instructions.join("\n")).not.toMatch(/<<|TARGETARCH|TARGETPLATFORM/);
});

// Compiles everything once more.
if (!IS_SLIM) {
  test("a builder that has no mounts makes the artefact of it", async () => {
    const [node, tag] = ["localhost/node:with-registry", "localhost/guestd:artefact-plain"];
    await buildNodeWithRegistry(node);
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-deploy-"));
    const file = join(folder.path, "Dockerfile");
    writeFileSync(file, await plainDockerfile());
    const { seconds } = await buildImage(tag, ["--target", "artefact", "--build-arg", `NODE=${node}`, "-f", file]);
    console.log(`image: artefact built without mounts in ${seconds.toFixed(0)} s`);
    const lines = [`COPY --from=${tag} /opt/guestd /opt/guestd`, `RUN ${GUESTD} doctor | grep -q 'ok  *processes'`];
    await expect(buildOver("bullseye", "localhost/guestd-on:plain", lines)).resolves.toBeUndefined();
  });
}

/** The Dockerfile by the command in its head. */
async function plainDockerfile(): Promise<string> {
  const [, script = ""] = /: sed '(.*)' Dockerfile \| docker build/.exec(readFileSync(DOCKERFILE, "utf8")) ?? [];
  const { stdout } = await execute("sed", [script, DOCKERFILE]);
  return stdout;
}
