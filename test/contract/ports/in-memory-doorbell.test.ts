import { fixedClock } from '../../support/fixed-clock.ts';
import { inMemoryDoorbell } from '../../support/in-memory-doorbell.ts';
import { doorbellContract } from './doorbell.contract.ts';

doorbellContract('an in-memory fake', async () => {
  const clock = fixedClock();
  const doorbell = inMemoryDoorbell({ clock });
  return {
    doorbell,
    now: clock.now,
    letTimeReach: async (time) => {
      clock.set(time);
      await doorbell.tick();
    },
  };
});
