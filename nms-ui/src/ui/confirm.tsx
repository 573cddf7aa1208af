import { Button, Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useWords } from "@/i18n";
import type { Write } from "@/lib/write";
import { CopyAs } from "./copy-as";
import { Notice, Refusal } from "./page";

interface Props {
  title: string;
  /** What it breaks, in numbers where they are known. */
  blast?: ReactNode;
  children?: ReactNode;
  verb: string;
  /** What is sent, for who would rather do it elsewhere. */
  write?: () => Write;
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before what cannot be taken back, and says what it breaks. */
export function Confirm({ title, blast, children, verb, write, act, onClose }: Props) {
  const { t } = useWords();
  const acting = useMutation({ mutationFn: act, onSuccess: onClose });
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("action.close") }}>
      <div className="stack">
        {blast && <Notice tone="warn">{blast}</Notice>}
        {children}
        {acting.error && <Refusal error={acting.error} />}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          {write && (
            <>
              <CopyAs write={write} />
              <span className="grow" />
            </>
          )}
          <Button variant="default" onClick={onClose} data-autofocus>
            {t("action.cancel")}
          </Button>
          <Button color="red.9" loading={acting.isPending} onClick={() => acting.mutate()}>
            {verb}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
