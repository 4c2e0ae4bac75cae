/**
 * Tries the clients' address before anything else is started, so that a port in use is told together with
 * all other problems. Between the try and the broker somebody else may take it: then the start fails there.
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
  const level = "error";
  if (port !== 0 && port === ops.port && host === ops.host) {
    const message = `opening ${host}:${port} for clients: \`ops\` has the same address`;
    return [{ code, level, message, cure: "Give one of them another port.", path }];
  }
  const found = await tryListen(host, port);
  if (found === undefined) return [];
  const message = `opening ${host}:${port} for clients: ${found}`;
  const cure = "Stop what listens there, or set another `listen` host or port.";
  return [{ code, level, message, cure, path }];
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
