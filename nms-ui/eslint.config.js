import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "dist-mock", "src/api/generated", "node_modules"] },
  {
    files: ["src/**/*.{ts,tsx}", "mock-api/**/*.ts"],
    extends: [...ts.configs.recommended, hooks.configs.flat.recommended, a11y.flatConfigs.recommended],
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "no-console": "error",
      eqeqeq: "error",
      "max-lines": ["error", 400],
      // Virtual lists and tables of TanStack return functions on purpose.
      "react-hooks/incompatible-library": "off",
    },
  },
  {
    // A page is drawn when its answers come: what a test reads of it is waited for, never read at once.
    files: ["src/**/*.test.tsx"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "MemberExpression[property.name=/^get(All)?By/]", message: "Await `findBy…`: what another query has found may be drawn before this." },
        { selector: "CallExpression[callee.property.name=/^query(All)?By/]:not(CallExpression[callee.name='waitFor'] *)", message: "Look within `waitFor`: the page may not have changed yet." },
      ],
    },
  },
);
