import type { GatewayEvent } from "@/api/answers";
import { Age } from "./age";
import { Icon } from "./icon";
import { GatewayLink, SubscriberLink } from "./links";

/** Events as a line of time. */
export function EventList({ events, isOfOne }: { events: GatewayEvent[]; isOfOne?: boolean }) {
  return (
    <ol className="timeline">
      {events.map((event) => (
        <li key={event.id}>
          <Age at={event.at} />
          <span style={{ color: event.alarm ? "var(--b-bad)" : "var(--b-ink-soft)" }}>
            <Icon name={event.alarm ? "alarm" : "dot"} />
          </span>
          <span>
            {event.text || event.kind}
            <span className="about">
              {!event.text.startsWith(event.kind) && <span>{event.kind}</span>}
              {event.gateway && <GatewayLink name={event.gateway} />}
              {event.imsi && !isOfOne && <SubscriberLink imsi={event.imsi} />}
            </span>
          </span>
        </li>
      ))}
    </ol>
  );
}
