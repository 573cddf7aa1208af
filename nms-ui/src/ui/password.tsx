import { PasswordInput, type PasswordInputProps } from "@mantine/core";
import { useWords } from "@/i18n";

/** A password, which may be looked at while it is typed; by keyboard too. */
export function Password(props: PasswordInputProps) {
  const { t } = useWords();
  return <PasswordInput {...props} visibilityToggleButtonProps={{ "aria-label": t("login.show"), tabIndex: 0 }} />;
}
