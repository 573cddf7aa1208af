import { Checkbox, Menu } from "@mantine/core";
import { Hook, type MenuEntry, type MenuProps } from "./menu-button";

/** A menu, open at first: it is there because somebody opened it. */
export default function OpenedMenu({ of }: { of: MenuProps }) {
  return (
    <Menu defaultOpened withInitialFocusPlaceholder={false} withinPortal={false} position={of.position}>
      <Menu.Target>
        <Hook of={of} />
      </Menu.Target>
      <Menu.Dropdown>
        <Entries of={of.entries} />
      </Menu.Dropdown>
    </Menu>
  );
}

/** Made when the menu opens: what they hold may be long. */
function Entries({ of }: { of: () => MenuEntry[] }) {
  return of().map((it) => <Entry key={it.id} of={it} />);
}

function Entry({ of }: { of: MenuEntry }) {
  const { label, act, href, isChosen } = of;
  if (href) {
    return (
      <Menu.Item component="a" href={href} download>
        {label}
      </Menu.Item>
    );
  }
  // Of several that may be chosen the menu stays: the next one is near.
  const isOfSeveral = isChosen !== undefined;
  const box = isOfSeveral && <Checkbox size="xs" checked={isChosen} readOnly tabIndex={-1} aria-label={label} />;
  return (
    <Menu.Item disabled={!act} closeMenuOnClick={!isOfSeveral} leftSection={box} onClick={() => act?.()}>
      {label}
    </Menu.Item>
  );
}
