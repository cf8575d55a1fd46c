import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import { HostRule } from "../../../src/edge/host-rule.ts";

const rule = new HostRule({ allowedHosts: ["box.example", "UPPER.example"] });
const own = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, family }) => !internal && family === "IPv4");

describe("names of this machine", () => {
  test.each([
    "localhost",
    "localhost:49983",
    "LOCALHOST:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:49983",
    "127.9.8.7:1",
    "[::1]",
    "[::1]:49983",
    "app.localhost:3000",
    "box.example",
    "BOX.example:80",
    "upper.example",
  ])("%s is one", (host) => {
    expect(() => rule.check(host, undefined)).not.toThrow();
  });

  test.skipIf(!own)("an address of a network card is one", () => {
    expect(() => rule.check(`${own?.address}:49983`, undefined)).not.toThrow();
  });

  test("no Host at all is none to complain about", () => {
    expect(() => rule.check(undefined, undefined)).not.toThrow();
  });

  test.each([
    "evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:49983",
    "box.example.evil.com",
    "notbox.example",
    "[::2]:1",
    "10.255.255.254:1",
    "0x7f.1",
    "2130706433",
    "",
    "localhost@evil.example",
    "[::1].evil.example",
  ])("%j is none", (host) => {
    expect(() => rule.check(host, undefined)).toThrowError(
      expect.objectContaining({ code: "permission_denied", reason: "host_not_allowed" }),
    );
  });
});

describe("origins", () => {
  test.each([
    "http://localhost",
    "http://localhost:3000",
    "https://127.0.0.1:8443",
    "http://[::1]:5173",
    "http://app.localhost",
    "https://box.example",
  ])("%s is not foreign", (origin) => {
    expect(() => rule.check("localhost", origin)).not.toThrow();
  });

  test.each([
    "http://evil.example",
    "null",
    "",
    "http://localhost.evil.example",
    "https://127.0.0.1.nip.io",
    "file://",
    "http://evil@evil.example",
    "data:,x",
    "not a url",
  ])("%j is foreign", (origin) => {
    expect(() => rule.check("localhost", origin)).toThrowError(
      expect.objectContaining({ code: "permission_denied", reason: "origin_not_allowed" }),
    );
  });

  test("with a name in front of an @ are judged by where they really are", () => {
    expect(() => rule.check("localhost", "http://localhost@evil.example")).toThrowError(/origin/);
  });

  test("are told what would help", () => {
    expect(() => rule.check("evil.example", undefined)).toThrowError(
      expect.objectContaining({ hint: expect.stringContaining("--allowed-host evil.example") as string }),
    );
  });
});
