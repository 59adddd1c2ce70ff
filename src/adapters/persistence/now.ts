/** This moment, as the columns hold it: rounded to the millisecond `now()` could lie ahead of itself, and be not due yet. */
export const NOW = "date_trunc('milliseconds', now())";
