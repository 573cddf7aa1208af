interface Props {
  /** What it chooses by: said, and shown while nothing is chosen. */
  label: string;
  data: { value: string; label: string }[];
  value: string | undefined;
  choose: (value: string) => void;
}

/** One choice out of few, or none: the browser's own list, which a phone shows at its bottom and which costs a page nothing. */
export function Filter({ label, data, value, choose }: Props) {
  return (
    <select className="filter" aria-label={label} data-chosen={value || undefined} value={value ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
      <option value="">{label}</option>
      {data.map((it) => (
        <option key={it.value} value={it.value}>
          {it.label}
        </option>
      ))}
    </select>
  );
}
