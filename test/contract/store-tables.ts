/** Tables of the store suites: one of each kind, with names that SQL knows too. */
import type { TableSchema } from "../../src/model/table.js";

export const products: TableSchema = {
  table: "products",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int" },
    { name: "name", type: "text" },
  ],
  key: ["id"],
};

export const orders: TableSchema = {
  table: "order",
  version: 1,
  kind: "state",
  columns: [
    { name: "shop", type: "text" },
    { name: "number", type: "int64" },
    { name: "select", type: "text" },
  ],
  key: ["shop", "number"],
};

export const feed: TableSchema = {
  table: "feed",
  version: 1,
  kind: "events",
  columns: [
    { name: "id", type: "int" },
    { name: "op", type: "text" },
  ],
  key: ["id"],
};
