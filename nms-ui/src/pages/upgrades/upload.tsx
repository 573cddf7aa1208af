import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { addRelease } from "@/api/upgrades";
import { useWords } from "@/i18n";
import { octets } from "@/lib/units";
import { CopyAs } from "@/ui/copy-as";
import { Notice, Refusal } from "@/ui/page";
import { useSay } from "@/ui/toast";
import { fromFileName, hex, nameOf } from "./progress";

const EMPTY = { product: "agwd", version: "", platform: "x86_64-linux", channel: "stable", sha256: "", signature: "" };
type Told = typeof EMPTY;

const FIELDS: { key: keyof Told; label: "upgrades.product" | "gateways.version" | "upgrades.platform" | "alarms.channel" | "upgrades.digest" | "upgrades.signature"; pattern: string; hint?: "upgrades.signatureHint" }[] = [
  { key: "product", label: "upgrades.product", pattern: "[A-Za-z0-9][A-Za-z0-9._+\\-]{0,39}" },
  { key: "version", label: "gateways.version", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,39}" },
  { key: "platform", label: "upgrades.platform", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,39}" },
  { key: "channel", label: "alarms.channel", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,39}" },
  { key: "sha256", label: "upgrades.digest", pattern: "[0-9a-f]{64}" },
  { key: "signature", label: "upgrades.signature", pattern: "[0-9a-f]{128}", hint: "upgrades.signatureHint" },
];

/** A program and its signature: the key that made it never comes near the console. */
export function Upload({ onClose }: { onClose: () => void }) {
  const { t, language } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const [file, setFile] = useState<File | null>(null);
  const [told, setTold] = useState(EMPTY);
  const [share, setShare] = useState(0);
  const choose = async (chosen: File | null) => {
    setFile(chosen);
    if (!chosen) return;
    setTold((former) => ({ ...former, ...fromFileName(chosen.name) }));
    // Over plain HTTP browsers digest nothing: the field is filled by hand then.
    if (globalThis.crypto?.subtle) {
      const sha256 = hex(await crypto.subtle.digest("SHA-256", await chosen.arrayBuffer()));
      setTold((former) => ({ ...former, sha256 }));
    }
  };
  const adding = useMutation({
    mutationFn: () => addRelease({ ...told, size: file?.size ?? 0 }, file ?? new Blob(), setShare),
    onSuccess: async (release) => {
      await client.invalidateQueries({ queryKey: ["releases"] });
      say(release.name);
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    adding.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={t("upgrades.add")} closeButtonProps={{ "aria-label": t("action.close") }}>
      <form className="stack" onSubmit={submit}>
        <Notice tone="info">{t("upgrades.signWords")}</Notice>
        <label className="file">
          <span>{t("upgrades.program")}</span>
          <input type="file" required onChange={(event) => void choose(event.currentTarget.files?.[0] ?? null)} />
          {file && <span className="soft">{octets(file.size, language)}</span>}
        </label>
        {FIELDS.map((it) => (
          <TextInput key={it.key} label={t(it.label)} description={it.hint && t(it.hint)} required pattern={it.pattern} spellCheck={false} classNames={it.key === "sha256" || it.key === "signature" ? { input: "mono" } : {}} value={told[it.key]} onChange={({ currentTarget: { value } }) => setTold((former) => ({ ...former, [it.key]: value.trim() }))} />
        ))}
        {adding.isPending && <progress className="progress" max={1} value={share} aria-label={t("upgrades.add")} />}
        {adding.error && <Refusal error={adding.error} />}
        <div className="row">
          <Button type="submit" size="sm" loading={adding.isPending}>
            {t("upgrades.add")}
          </Button>
          <CopyAs write={() => ({ method: "POST", path: "/api/v1/releases", body: { ...told, size: file?.size ?? 0 }, basalt: `basalt release add ${told.product} --key release.key --channel ${told.channel}`, resource: { kind: "releases", name: nameOf(told), network: null } })} />
        </div>
      </form>
    </Drawer>
  );
}
