/**
 * Tries an address before anything is started on it, so that a port in use is told together with all other
 * problems. Between the try and the start somebody else may take it: then the start fails there.
 */
import { createServer } from "node:net";
import { errorText } from "../base/errors.js";
import type { Config } from "../config/config.js";
import type { Problem } from "../model/problem.js";

export async function probeListen({
  listen,
  ops,
}: Pick<Config, "listen" | "ops">): Promise<readonly Problem[]> {
  const { host, port } = listen;
  const path = ["listen", "port"];
  const code = "BROKER_LISTEN_FAILED";
  if (port !== 0 && port === ops.port && host === ops.host) {
    const message = `opening ${host}:${port} for clients: \`ops\` has the same address`;
    const cure = "Give one of them another port.";
    return [{ code, level: "error", message, cure, path }];
  }
  return probe(code, listen, "listen");
}

/** For a check: a service opens it at once. */
export function probeOps({ ops }: Pick<Config, "ops">): Promise<readonly Problem[]> {
  return probe("OPS_LISTEN_FAILED", ops, "ops");
}

async function probe(
  code: Problem["code"],
  { host, port }: { readonly host: string; readonly port: number },
  key: "listen" | "ops",
): Promise<readonly Problem[]> {
  const found = await tryListen(host, port);
  if (found === undefined) return [];
  const whom = key === "listen" ? "clients" : "operators";
  const message = `opening ${host}:${port} for ${whom}: ${found}`;
  const cure = `Stop what listens there, or set another \`${key}\` host or port.`;
  return [{ code, level: "error", message, cure, path: [key, "port"] }];
}

/** What is in the way; undefined for nothing. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      resolve(isTaken ? "another process listens there" : errorText(error));
    });
    server.listen({ host, port }, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}
