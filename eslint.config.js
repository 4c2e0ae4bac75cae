import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const noDefaultExport = {
  selector: "ExportDefaultDeclaration",
  message: "Export by name: a default export can be called anything by whoever imports it.",
};

/** `export * from` passes a whole file on: the start of a barrel. */
const noBarrel = {
  selector: "ExportAllDeclaration",
  message: "Import from the file that owns the name; a barrel hides where things live.",
};

/** Names that the DOM library puts into scope for src/client and that mean a slip anywhere else. */
const browserGlobals = [
  "close",
  "document",
  "event",
  "history",
  "indexedDB",
  "length",
  "localStorage",
  "location",
  "name",
  "navigator",
  "origin",
  "parent",
  "self",
  "sessionStorage",
  "status",
  "stop",
  "top",
  "window",
  "WebSocket",
  "XMLHttpRequest",
].map((name) => ({ name, message: "A browser's global: only src/client may use it." }));

const processGlobal = {
  name: "process",
  message: "Only src/main.ts, src/cli, demo and test see the process; pass in what is needed.",
};

const processImports = ["process", "node:process"].map((name) => ({
  name,
  message: processGlobal.message,
}));

export default defineConfig(
  { ignores: ["**/dist/**", "**/node_modules/**"] },
  { linterOptions: { reportUnusedDisableDirectives: "error", reportUnusedInlineConfigs: "error" } },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/consistent-type-imports": [
        "error",
        { fixStyle: "separate-type-imports" },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      "@typescript-eslint/no-floating-promises": ["error", { ignoreVoid: false }],
      "@typescript-eslint/return-await": ["error", "in-try-catch"],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_" },
      ],
      "@typescript-eslint/use-unknown-in-catch-callback-variable": "error",
      "@typescript-eslint/prefer-readonly": "error",
      // A contract's method may be async although one implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      eqeqeq: "error",
      "no-console": "error",
      "no-restricted-globals": ["error", processGlobal, ...browserGlobals],
      "no-restricted-imports": ["error", { paths: processImports }],
      "no-restricted-syntax": ["error", noDefaultExport, noBarrel],
    },
  },
  {
    files: ["src/client/**/*.ts"],
    rules: { "no-restricted-globals": ["error", processGlobal] },
  },
  {
    files: ["src/main.ts", "src/cli/**/*.ts", "demo/**/*.ts", "test/**/*.ts"],
    rules: {
      "no-restricted-globals": ["error", ...browserGlobals],
      "no-restricted-imports": "off",
    },
  },
  {
    files: ["test/browser/**/*.ts", "demo/page/**/*.ts"],
    rules: { "no-restricted-globals": ["error", processGlobal] },
  },
  {
    files: ["*.config.ts"],
    rules: { "no-restricted-syntax": ["error", noBarrel] },
  },
);
