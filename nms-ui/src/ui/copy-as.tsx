import { Button, Menu } from "@mantine/core";
import { useWords } from "@/i18n";
import { Icon } from "./icon";
import { useSay } from "./toast";

/** A write, as others would make it. */
export interface Write {
  method: string;
  path: string;
  body?: unknown;
  /** A file that is sent as it is: its name and media type. */
  file?: { name: string; form: string };
  /** The words of the `basalt` command, where it has its own for this. */
  basalt?: string;
  /** What it is, for tools that keep resources. */
  resource?: { kind: string; name: string; network: string | null };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** For a shell; the key stands in the environment, never in the line. */
export function asCurl(write: Write, origin: string): string {
  const parts = [`curl -X ${write.method} ${quoted(origin + write.path)}`, `-H "Authorization: Bearer $BASALT_API_KEY"`];
  if (write.file) parts.push(`-H ${quoted(`Content-Type: ${write.file.form}`)}`, `--data-binary @${quoted(write.file.name)}`);
  else if (write.body !== undefined) {
    const form = write.method === "PATCH" ? "application/merge-patch+json" : "application/json";
    parts.push(`-H ${quoted(`Content-Type: ${form}`)}`, `-d ${quoted(JSON.stringify(write.body))}`);
  }
  return parts.join(" \\\n  ");
}

/** As tools that keep infrastructure in files want it. */
export function asResource(write: Write): string {
  const { kind, name, network } = write.resource ?? { kind: "request", name: "it", network: null };
  const type = `basalt_${kind.replaceAll("-", "_").replace(/s$/, "")}`;
  const scope = network === null ? {} : { network };
  const body = typeof write.body === "object" ? write.body : {};
  return JSON.stringify({ resource: { [type]: { [name]: { ...scope, name, ...body } } } }, null, 2);
}

/** For the `basalt` command; nothing for what is no object that it applies. */
export function asBasalt(write: Write): string | undefined {
  if (write.basalt) return write.basalt;
  const { kind, name, network } = write.resource ?? {};
  if (!kind || !name) return undefined;
  const singular = kind.replace(/s$/, "");
  if (kind === "gateway-tokens") return undefined;
  if (write.method === "DELETE") return `basalt delete ${singular} ${quoted(name)}${network ? ` --network ${quoted(network)}` : ""}`;
  if (write.method !== "PUT") return undefined;
  const document = { kind: singular, name, ...(network ? { network } : {}), body: write.body ?? {} };
  return `basalt apply -f - <<'END'\n${JSON.stringify(document, null, 2)}\nEND`;
}

export function useCopy(): (text: string) => Promise<void> {
  const { t } = useWords();
  const say = useSay();
  return async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain HTTP browsers give no clipboard: the old way.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say(t("action.copied"));
  };
}

export function CopyAs({ write }: { write: () => Write }) {
  const { t } = useWords();
  return (
    <Menu withInitialFocusPlaceholder={false} withinPortal={false} position="top-start">
      <Menu.Target>
        <Button variant="default" leftSection={<Icon name="copy" size={14} />}>
          {t("action.copyAs")}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Forms write={write} />
      </Menu.Dropdown>
    </Menu>
  );
}

/** Made when the menu opens: what is written may be long. */
function Forms({ write }: { write: () => Write }) {
  const copy = useCopy();
  const made = write();
  const basalt = asBasalt(made);
  return (
    <>
      <Menu.Item onClick={() => void copy(asCurl(made, location.origin))}>curl</Menu.Item>
      {basalt && <Menu.Item onClick={() => void copy(basalt)}>basalt</Menu.Item>}
      {!made.file && <Menu.Item onClick={() => void copy(asResource(made))}>Terraform JSON</Menu.Item>}
      {!made.file && <Menu.Item onClick={() => void copy(JSON.stringify(made.body ?? {}, null, 2))}>JSON</Menu.Item>}
    </>
  );
}
