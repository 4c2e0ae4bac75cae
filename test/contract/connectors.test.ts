/** The connector suite over the worked example; test/integration has the connectors to servers. */
import { createScriptedConnector } from "../../connectors/scripted/connector.js";
import type { ScriptedOptions } from "../../connectors/scripted/script-options.js";
import { ScriptedSource } from "../../connectors/scripted/scripted-source.js";
import { connectorContract } from "./connector.contract.js";

const id = { name: "id", type: "int" } as const;
const text = (name: string) => ({ name, type: "text" }) as const;

connectorContract<ScriptedOptions>("scripted", async () => {
  const tables = [
    {
      ...{ name: "public.items", columns: [id, text("name"), text("notes")], key: ["id"] },
      lazy: ["notes"],
    },
    { name: "public.other", columns: [id], key: ["id"] },
  ];
  const source = new ScriptedSource({ tables });
  return {
    connector: createScriptedConnector(new Map([["shop", source]])),
    options: { tables, rows: {}, script: [] },
    written: { good: { tables }, bad: { tables: [{ name: "" }] } },
    ...{ items: "public.items", other: "public.other" },
    commit: async (writes) => {
      source.commit(writes);
    },
    cut: async () => {
      source.cut();
    },
    forget: async () => {
      source.forget();
    },
    close: async () => undefined,
  };
});
