import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { CellStream, errorsOf, resultOf, textOf } from "../unit/kernels/cell-client.ts";

const NETWORK = { HTTPS_PROXY: "http://proxy.invalid:3128", SSL_CERT_FILE: "/etc/ssl/of-the-image.pem" };
let daemon: TestDaemon;
beforeAll(async () => {
  const argv = ["--kernels", "python", "--preload", "numpy"];
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true, argv, env: NETWORK });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 60_000);
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const open = (): Promise<CodeSession> => CodeSession.open(daemon.interpreterUrl, { language: "python" });

/** Size and digest of what a cell prints, counted as it comes, and the lines that are no output. */
async function printed(session: CodeSession, code: string) {
  const stream = await CellStream.open(daemon.interpreterUrl, { context_id: session.id, code });
  const hash = createHash("sha256");
  let [bytes, longestLine] = [0, 0];
  const others: Record<string, unknown>[] = [];
  for (let line = await stream.nextBytes(); line; line = await stream.nextBytes()) {
    longestLine = Math.max(longestLine, line.length);
    const event = JSON.parse(line.toString("latin1")) as { type: string; text?: string };
    if (event.type !== "stdout") others.push(event);
    else {
      hash.update(event.text ?? "");
      bytes += event.text?.length ?? 0;
    }
  }
  return { bytes, digest: hash.digest("hex"), others, longestLine, id: String(stream.headers["guestd-run-id"]) };
}

describe("output", () => {
  test("of 64 MB in one print arrives whole, in pieces, and the context goes on", async () => {
    await using session = await open();
    const { bytes, digest, others, longestLine } = await printed(
      session,
      "text = 'x' * (64 * 1024 * 1024)\nprint(text)\nimport hashlib\nhashlib.sha256((text + '\\n').encode()).hexdigest()",
    );
    expect(bytes).toBe(64 * 1024 * 1024 + 1);
    expect(others.map(({ type }) => type)).toEqual(["number_of_executions", "result", "end_of_execution"]);
    expect(others[1]?.["text"]).toBe(digest);
    expect(longestLine).toBeLessThan(1024 * 1024);
    expect(await session.value("len(text)")).toBe(String(64 * 1024 * 1024));
  });

  test("that looks like the protocol is output, printed, written to descriptor 1 or by a child", async () => {
    await using session = await open();
    const frames = ["\\0\\x1b]K;0123456789abcdef;1\\a", "\\0\\x1b]K;", "\\0" /* the begin of one that never ends */];
    const event = `{"ev": "end", "id": "x", "status": "ok", "b": 1}`;
    const code = [
      "import os, subprocess, sys",
      `forged = '${frames.join("|")}\\n' + '${event}\\n'`,
      "print(forged, end='', flush=True)",
      "os.write(1, forged.encode())",
      "subprocess.run([sys.executable, '-c', 'import sys; sys.stdout.write(sys.argv[1].replace(chr(1), chr(0)))', forged.replace(chr(0), chr(1))])",
      "'done'",
    ].join("\n");
    const forged = `\0\x1b]K;0123456789abcdef;1\x07|\0\x1b]K;|\0\n${event}\n`;
    const lines = await session.run(code);
    expect([textOf(lines), resultOf(lines), errorsOf(lines)]).toEqual([forged.repeat(3), "done", []]);
    expect(await session.value("6 * 7")).toBe("42");
  });

  test("of random bytes from a program keeps the protocol, and the log has every byte", async () => {
    await using session = await open();
    const { others, id } = await printed(
      session,
      "import subprocess, hashlib, os\ndata = os.urandom(3_000_000)\nsubprocess.run(['cat'], input=data)\nhashlib.sha256(data).hexdigest()",
    );
    expect(others.map(({ type }) => type)).toEqual(["number_of_executions", "result", "end_of_execution"]);
    const log = Buffer.from(await (await daemon.fetch(`/v1/runs/${id}/log?stream=stdout`)).arrayBuffer());
    expect(createHash("sha256").update(log).digest("hex")).toBe(others[1]?.["text"]);
    expect(await session.value("len(data)")).toBe("3000000");
  });

  test("stands in its place before and behind a result, whoever shows it and whatever runs behind it", async () => {
    await using session = await open();
    const order = async (code: string): Promise<string> => {
      const lines = await session.run(code);
      const shown = lines.flatMap(({ type, text }) => (type === "stdout" || type === "result" ? [text] : []));
      return [...shown, ...errorsOf(lines).map(({ name }) => name)].join(" ").trim().split(/\s+/).join(" ");
    };
    const echo = "import os\nimport sys\nshell = os.system\n";
    expect(await order(`${echo}print(1)\nshell("echo 2")\n3`)).toBe("1 2 3");
    expect(await order(`if True:\n    sys.displayhook(1)\n    shell("echo 2")`)).toBe("1 2");
    expect(await order(`def show(value):\n    sys.displayhook(value)\n    shell("echo 2")\nshow(1)`)).toBe("1 2");
    expect(await order(`exec(compile("1", "", "single"))\nstatus = shell("echo 2")`)).toBe("1 2");
    await session.run("get_ipython().ast_node_interactivity = 'all'");
    expect(await order(`for i in (1, 2):\n    i\n    print(i * 10)`)).toBe("1 10 2 20");
    await session.run("get_ipython().ast_node_interactivity = 'last_expr'");
    expect(await order(`import matplotlib.pyplot as plt\nplt.figure()\n1`)).toMatch(/^1 <Figure /);
    await session.run("get_ipython().events.register('post_execute', lambda: shell('echo behind'))");
    expect(await order("1")).toBe("1 behind");
  });

  test("of many small prints from several programs at once is complete", async () => {
    await using session = await open();
    const code =
      "import subprocess\nfor child in [subprocess.Popen('for i in $(seq 500); do echo line; done', shell=True) for _ in range(4)]: child.wait()";
    const lines = await session.run(code);
    expect(textOf(lines)).toBe("line\n".repeat(2000));
  });
});

describe("two contexts", () => {
  const TRACES =
    "import builtins, os, sys, random, numpy\nmark = 1\nbuiltins.mark_too = 1\nos.environ['MARK'] = '1'\nos.chdir('/usr')\nsys.modules['mark_module'] = sys\nnumpy.mark = 1\nrandom.seed(1)\nnumpy.random.seed(1)";
  const FOUND =
    "import builtins, os, sys, numpy\n[name for name, there in {'global': 'mark' in globals(), 'builtin': hasattr(builtins, 'mark_too'), 'env': 'MARK' in os.environ, 'cwd': os.getcwd() == '/usr', 'module': 'mark_module' in sys.modules, 'numpy': hasattr(numpy, 'mark')}.items() if there]";

  test("see nothing of each other, whichever was first", async () => {
    await using first = await open();
    await using second = await open();
    await first.run(TRACES);
    expect(await second.value(FOUND)).toBe("[]");
    await second.run("mark_back = 1\nimport os\nos.environ['BACK'] = '1'");
    expect(await first.value("('mark_back' in globals(), 'BACK' in os.environ)")).toBe("(False, False)");
    expect(await first.value(FOUND)).toBe("['global', 'builtin', 'env', 'cwd', 'module', 'numpy']");
    await using third = await open();
    expect(await third.value(FOUND)).toBe("[]");
  });

  test("draw different numbers, also when each seeds itself from the system, and after a resume", async () => {
    await using first = await open();
    await using second = await open();
    const draw = "import random, numpy\n(random.random(), numpy.random.rand(), numpy.random.default_rng().random())";
    const drawn = [await first.value(draw), await second.value(draw)];
    await daemon.fetch("/init", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
    drawn.push(await first.value(draw), await second.value(draw));
    expect(new Set(drawn.flatMap((text) => text.match(/0\.\d+/g) ?? [])).size).toBe(12);
  });
});

describe("variables", () => {
  test("of a cell whose client has left are put back, those it changed itself stay as it left them", async () => {
    await using session = await open();
    await session.run("import os\nos.environ['OWN'] = 'before'");
    const code = "import os, time\nos.environ['MADE'] = 'by the cell'\nprint('up', flush=True)\ntime.sleep(600)";
    const stream = await session.openUp(code, { env_vars: { OWN: "for the cell", NEW: "for the cell" } });
    stream.destroy();
    expect(await session.value("[os.environ.get(name) for name in ('OWN', 'NEW', 'MADE')]")).toBe(
      "['before', None, 'by the cell']",
    );
  });

  test("shift no line and keep every character of 100 KB", async () => {
    await using session = await open();
    const value = `it's "ö"\n\\ 😀 ${"x".repeat(100_000)}`;
    const lines = await session.run("import os\nprint(len(os.environ['V']))\n1/0", { env_vars: { V: value, W: "'" } });
    expect(textOf(lines)).toBe(`${Array.from(value).length}\n`);
    expect(String(lines.find(({ type }) => type === "error")?.["traceback"])).toMatch(/line 3/);
    const magic = await session.run('%%bash\nprintf %s "$V" | wc -c', { env_vars: { V: value } });
    expect(textOf(magic).trim()).toBe(String(Buffer.byteLength(value)));
  });

  test("of the image that say how the network is reached are there, also for what asks for them", async () => {
    await using session = await open();
    const code =
      "import urllib.request, ssl\n(urllib.request.getproxies().get('https'), ssl.get_default_verify_paths().openssl_cafile_env, os.environ['SSL_CERT_FILE'])";
    expect(await session.value(`import os\n${code}`)).toBe(
      "('http://proxy.invalid:3128', 'SSL_CERT_FILE', '/etc/ssl/of-the-image.pem')",
    );
    expect(await session.value("import os\nos.environ.get('GUESTD_TOKEN')")).toBe("");
  });
});

test("a syntax error names the cell as kernels of Jupyter do, in its value only", async () => {
  await using session = await open();
  const [, error] = await session.run("x = 1\ny = = 2");
  expect(error).toMatchObject({ type: "error", name: "SyntaxError" });
  expect(error?.value).toMatch(/^invalid syntax \(\d+\.py, line 2\)$/);
  expect(String(error?.["traceback"])).toMatch(/^ {2}Cell In\[1\], line 2\n {4}y = = 2\n/);
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
