import { createContext, useCallback, useContext, useState, type ReactNode } from "react";
import { Icon } from "./icon";

interface Said {
  id: number;
  text: string;
}

const Context = createContext<(text: string) => void>(() => undefined);
const SHOWN = 5_000;
let next = 1;

/** Gives the pages below it a way to say that something was done. */
export function Toasts({ children }: { children: ReactNode }) {
  const [all, setAll] = useState<Said[]>([]);
  const say = useCallback((text: string) => {
    const id = next++;
    setAll((former) => [...former.slice(-3), { id, text }]);
    setTimeout(() => setAll((former) => former.filter((it) => it.id !== id)), SHOWN);
  }, []);
  return (
    <Context value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {all.map((it) => (
          <div className="toast" key={it.id}>
            <Icon name="check" />
            {it.text}
          </div>
        ))}
      </div>
    </Context>
  );
}

export function useSay(): (text: string) => void {
  return useContext(Context);
}
