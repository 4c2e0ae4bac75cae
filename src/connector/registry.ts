/**
 * From the word after `connector:` to the connector. Built-in ones are loaded when they are named, so that
 * a Postgres user never opens another driver; anything else is the name of a package, or a path, that
 * exports `connector`. connectors/README.md teaches how to write one.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { AppError, errorText } from "../base/errors.js";
import type { Connector } from "./connector.js";

type Load = () => Promise<{ readonly connector: unknown }>;

const builtIn: Readonly<Record<string, Load>> = {
  mongodb: () => import("../../connectors/mongodb/connector.js"),
  postgres: () => import("../../connectors/postgres/connector.js"),
  scripted: () => import("../../connectors/scripted/connector.js"),
};

/** What a user may write without installing anything; `scripted` is for tests and as an example. */
export const builtInConnectors: readonly string[] = ["mongodb", "postgres"];

/** `baseDir`: where a package is looked for. Errors: CONFIG_CONNECTOR_UNKNOWN. */
export async function loadConnector(name: string, baseDir: string): Promise<Connector> {
  const load = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined;
  const found = load === undefined ? await loadPackage(name, baseDir) : await load();
  return asConnector(name, found);
}

async function loadPackage(name: string, baseDir: string): Promise<unknown> {
  try {
    return (await import(locate(name, baseDir))) as unknown;
  } catch (cause) {
    const missing = (cause as { code?: unknown }).code;
    const isMissing = missing === "ERR_MODULE_NOT_FOUND" || missing === "MODULE_NOT_FOUND";
    const what = isMissing ? "there is no such package here" : errorText(cause);
    throw new AppError("CONFIG_CONNECTOR_UNKNOWN", `loading the connector "${name}": ${what}`, {
      cure: `Built in: ${builtInConnectors.join(", ")}. Others: install the package and use its name.`,
      cause,
    });
  }
}

/** Where the configuration stands first, then where Changecast is installed. */
function locate(name: string, baseDir: string): string {
  if (!/^(\.{0,2}\/|@?[a-z0-9])/i.test(name)) return name;
  try {
    const found = createRequire(join(baseDir, "changecast.yaml")).resolve(name);
    return pathToFileURL(found).href;
  } catch {
    // A package for `import` alone cannot be found this way: Node looks for it itself.
    return name;
  }
}

const methods = ["parseOptions", "open", "check", "parsePosition"] as const;

function asConnector(name: string, found: unknown): Connector {
  const connector = (found as { connector?: unknown }).connector as Partial<Connector> | undefined;
  const missing = methods.filter((method) => typeof connector?.[method] !== "function");
  if (connector === undefined || missing.length > 0) {
    const what = connector === undefined ? "no `connector`" : `no ${missing.join(", ")}`;
    throw new AppError(
      "CONFIG_CONNECTOR_UNKNOWN",
      `loading the connector "${name}": it has ${what}`,
    );
  }
  return connector as Connector;
}
