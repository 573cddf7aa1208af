import { TextInput, type TextInputProps } from "@mantine/core";
import { useState } from "react";
import { Icon } from "./icon";

/**
 * A text that is typed here and kept elsewhere, such as in the address, which has it a moment later: what is shown is what was typed.
 * Were it what is kept, a letter typed within that moment would be added to the text before the one before it.
 */
export function useTyped(kept: string, keep: (text: string) => void): [string, (text: string) => void] {
  const [typed, setTyped] = useState<Typed>({ text: kept, seen: kept, underWay: [] });
  const now = typed.seen === kept ? typed : seen(typed, kept);
  if (now !== typed) setTyped(now);
  const type = (text: string) => {
    setTyped((former) => ({ ...former, text, underWay: [...former.underWay, text] }));
    keep(text);
  };
  return [now.text, type];
}

interface Typed {
  text: string;
  /** What was kept when it was last looked at. */
  seen: string;
  /** What was typed and is not known to be kept. */
  underWay: string[];
}

/** What is kept is another: a text of ours that has arrived, or another's - a link, the way back - which is shown then. */
function seen({ text, underWay }: Typed, kept: string): Typed {
  const arrived = underWay.lastIndexOf(kept);
  return arrived < 0 ? { text: kept, seen: kept, underWay: [] } : { text, seen: kept, underWay: underWay.slice(arrived + 1) };
}

interface Props extends Omit<TextInputProps, "value" | "onChange"> {
  label: string;
  kept: string;
  keep: (text: string) => void;
  /** Not the one of its page that `/` leads to. */
  isFurther?: boolean | undefined;
}

/** A field that a page's rows are searched by. */
export function SearchField({ label, kept, keep, isFurther, ...rest }: Props) {
  const [text, type] = useTyped(kept, keep);
  return (
    <TextInput
      size="xs"
      data-search={isFurther ? undefined : ""}
      type="search"
      aria-label={label}
      placeholder={isFurther ? label : `${label}  /`}
      leftSection={<Icon name="search" size={14} />}
      {...rest}
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
    />
  );
}
