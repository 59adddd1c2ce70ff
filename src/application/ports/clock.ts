/** The time that due times and leases are measured in: the database's, not the host's. */
export interface Clock {
  now(): Date;
}
