/**
 * The JSON schema that editors use (config/changecast.schema.json), made from the literal of schema.ts and
 * the options that each built-in connector declares.
 */
import { z } from "zod";
import { builtInConnectors, loadConnector } from "../connector/registry.js";
import { configSchema } from "./schema.js";

type JsonSchema = Record<string, unknown>;

/** The text of the published file. */
export async function configJsonSchema(): Promise<string> {
  const made = z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" }) as JsonSchema;
  const properties = made["properties"] as Record<string, JsonSchema>;
  const sources = properties["sources"] ?? {};
  const open = sources["additionalProperties"] as JsonSchema;
  sources["additionalProperties"] = { ...open, allOf: await connectorBranches() };
  return `${JSON.stringify(made, null, 2)}\n`;
}

/** `if` the source names the connector, `then` its options; other connectors' options are their own. */
async function connectorBranches(): Promise<JsonSchema[]> {
  const branches: JsonSchema[] = [];
  for (const name of builtInConnectors) {
    const { optionsSchema } = await loadConnector(name, ".");
    const { $schema: _dialect, properties, ...rest } = optionsSchema as JsonSchema;
    const all = { connector: { const: name }, ...(properties as JsonSchema | undefined) };
    branches.push({
      if: { properties: { connector: { const: name } }, required: ["connector"] },
      then: { ...rest, properties: all },
    });
  }
  return branches;
}
