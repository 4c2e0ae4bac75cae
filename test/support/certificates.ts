/** An authority of the test's own and what it signs, made by the openssl of this machine. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SignedFiles {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
}

export class Authority {
  /** Path of its PEM file. */
  readonly ca: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "changecast-tls-"));
  readonly #key: string;

  constructor() {
    this.ca = join(this.#folder, "ca.pem");
    this.#key = join(this.#folder, "ca.key");
    const subject = ["-subj", "/CN=test authority"];
    this.#make(["req", "-x509", ...subject, "-keyout", this.#key, "-out", this.ca]);
  }

  /** `commonName` is a user's for a client; `host` a name or an address that a server goes by. */
  sign(commonName: string, host?: string): SignedFiles {
    const path = join(this.#folder, commonName);
    const files = { cert: `${path}.pem`, key: `${path}.key` };
    const names = `${path}.names`;
    const kind = isIP(host ?? "") === 0 ? "DNS" : "IP";
    writeFileSync(names, host === undefined ? "" : `subjectAltName=${kind}:${host}\n`);
    const request = `${path}.request`;
    this.#make(["req", "-subj", `/CN=${commonName}`, "-keyout", files.key, "-out", request]);
    const by = ["-CA", this.ca, "-CAkey", this.#key, "-CAcreateserial", "-extfile", names];
    openssl(["x509", "-req", "-days", "2", "-in", request, ...by, "-out", files.cert]);
    return files;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #make([command = "", ...rest]: readonly string[]): void {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl([command, ...key, ...rest]);
  }
}

export function textOf(path: string): string {
  return readFileSync(path, "utf8");
}

function openssl(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status === 0) return;
  const why = error?.message ?? stderr;
  throw new Error(`openssl ${args[0] ?? ""} failed (Debian: apt-get install openssl): ${why}`);
}
