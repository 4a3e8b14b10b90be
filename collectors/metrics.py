"""Every metric of every stage: name, labels and meaning in one place.

No label ever holds a tenant, a source or anything else of a partner's: what concerns one
organisation is shown to it by the API, behind its own door.
"""

from prometheus_client import Counter, Gauge, Histogram

EVENTS_ACCEPTED = Counter(
    "citysoc_events_accepted_total", "Events that a door took and the bus keeps.", ["door"]
)
EVENTS_UNPARSED = Counter(
    "citysoc_events_unparsed_total", "Events kept and marked because they did not parse.", ["door"]
)
DOOR_REFUSED = Counter(
    "citysoc_door_refused_total", "Requests or datagrams refused whole.", ["door", "reason"]
)
RECORDS_READ = Counter(
    "citysoc_records_read_total", "Bus records that a stage has done.", ["stage"]
)
EVENTS_READ = Counter("citysoc_events_read_total", "Lines of those records.", ["stage"])
DEAD_LETTERS = Counter(
    "citysoc_dead_letters_total", "Records or lines set aside as malformed.", ["stage"]
)
RETRIES = Counter("citysoc_retries_total", "Waits because something was overloaded.", ["stage"])
SIGNALS = Counter("citysoc_signals_total", "Matches sent on.", ["state"])
ALERTS = Counter("citysoc_alerts_total", "Alerts sent (first) and amended (again).", ["sent"])
REPEATS = Counter("citysoc_repeats_total", "Signals seen before and dropped.", ["cause"])
WINDOWS = Counter(
    "citysoc_behaviour_windows_total", "Windows of behaviour that were closed and looked at."
)
UNUSUAL = Counter(
    "citysoc_unusual_total",
    "Unusual windows: alerted, joined to an open alert, over the budget.",
    ["fate"],
)
LATE_EVENTS = Counter(
    "citysoc_behaviour_late_total", "Events that came after their window was closed."
)
EVICTIONS = Counter("citysoc_evictions_total", "Entries dropped from a bounded memory.", ["memory"])
EVENTS_STORED = Counter("citysoc_events_stored_total", "Events new in the store.")
EVENTS_MARKED = Counter(
    "citysoc_events_marked_total",
    "Events new in the store that its index could not take as they are: found all the same.",
    ["reason"],
)
ITEMS = Counter("citysoc_queue_items_total", "Queue items opened.")
LAG_RECORDS = Gauge("citysoc_lag_records", "Records that a stage has still to read.", ["stage"])
LAG_SECONDS = Gauge("citysoc_lag_seconds", "Age of the oldest unread record.", ["stage"])
WINDOWS_OVERDUE = Gauge(
    "citysoc_windows_overdue_seconds",
    "How long the correlation window longest overdue waits for ticks of its tenant's sources.",
)
BATCH_SECONDS = Histogram("citysoc_batch_seconds", "Time for one batch of records.", ["stage"])
SPACE_USED = Gauge("citysoc_space_used_ratio", "Share of the data folder's disk that is used.")
