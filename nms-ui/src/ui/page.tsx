import type { UseQueryResult } from "@tanstack/react-query";
import { useDeferredValue, useEffect, type ReactNode } from "react";
import { toProblem } from "@/api/problem";
import { useWords } from "@/i18n";
import { Age } from "./age";
import { Icon } from "./icon";

/** A page's title, what it is about, and what can be done on it. */
export function Head({ title, note, children }: { title: string; note?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Basalt`;
  }, [title]);
  return (
    <div className="page-head">
      <div className="grow">
        <h1>{title}</h1>
        {note && <div className="soft">{note}</div>}
      </div>
      {children && <div className="row">{children}</div>}
    </div>
  );
}

export function Panel({ title, aside, children, flush }: { title?: ReactNode | undefined; aside?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className="panel">
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {flush ? children : <div className="body">{children}</div>}
    </section>
  );
}

/** Nothing is here, and what to do about it. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** A page, or a part of one, for which this orchestrator has no data. */
export function Missing({ children }: { children: ReactNode }) {
  const { t } = useWords();
  return <Empty title={t("state.missing")}>{children}</Empty>;
}

export function Notice({ tone, children }: { tone: "bad" | "warn" | "info"; children: ReactNode }) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "note"}>
      <Icon name={tone === "info" ? "dot" : "warn"} />
      <div>{children}</div>
    </div>
  );
}

/** A refusal in words. */
export function Refusal({ error }: { error: unknown }) {
  const { t } = useWords();
  const problem = toProblem(error);
  if (problem.status === 0) return <Notice tone="bad">{t("state.unreachable")}</Notice>;
  return (
    <Notice tone="bad">
      {problem.status === 404 ? t("state.notFound") : problem.detail}
      {problem.errors && (
        <ul>
          {problem.errors.map((it) => (
            <li key={it.path + it.what}>
              <code>{it.path || "/"}</code> {t("editor.mustBe", { what: it.what, allowed: it.allowed })}
            </li>
          ))}
        </ul>
      )}
    </Notice>
  );
}

export function Loading() {
  const { t } = useWords();
  return (
    <div className="empty" role="status">
      <span className="waiting" aria-hidden="true" />
      {t("state.loading")}
    </div>
  );
}

/** What was read, or that it is being read, or why it could not be; old data stays, and says its age. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const { t } = useWords();
  // What is new is drawn in slices, so that keys and scrolling are heard in between.
  const data = useDeferredValue(query.data);
  if (data !== undefined) {
    return (
      <>
        {query.isError && <Stale query={query} />}
        {children(data)}
      </>
    );
  }
  if (query.isPending || query.data !== undefined) return <Loading />;
  return (
    <div className="panel">
      <Empty
        title={t("state.failed")}
        action={
          <button type="button" className="plain-button" onClick={() => void query.refetch()}>
            {t("state.retry")}
          </button>
        }
      />
      <div className="body">
        <Refusal error={query.error} />
      </div>
    </div>
  );
}

/** Says that what is shown is old. */
export function Stale({ query }: { query: { dataUpdatedAt: number; error: unknown } }) {
  const { t } = useWords();
  return (
    <Notice tone="warn">
      {t("state.failed")}: {toProblem(query.error).status === 0 ? t("state.unreachable") : toProblem(query.error).detail}{" "}
      (<Age at={query.dataUpdatedAt} />)
    </Notice>
  );
}

/** When the data of a page were read. */
export function Fresh({ at }: { at: number }) {
  const { t } = useWords();
  const [before, after] = t("state.updated", { age: "\u0000" }).split("\u0000");
  return (
    <span className="soft nowrap">
      {before}
      <Age at={at} />
      {after}
    </span>
  );
}

/** Names and values. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value === undefined || value === null || value === "" ? <span className="soft">–</span> : value}</dd>
        </div>
      ))}
    </dl>
  );
}
