/** One delivery at a time into a study's folder: two at once would each write a manifest without the other's files. */

export interface StudyTurns {
  run<Result>(study: string, work: () => Promise<Result>): Promise<Result>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export function studyTurns(): StudyTurns {
  /** The last delivery of each study, as long as one is under way. */
  const busy = new Map<string, Promise<void>>();
  return {
    run: async (study, work) => {
      const before = busy.get(study) ?? Promise.resolve();
      const result = before.then(work);
      const settled = result.then(
        () => undefined,
        () => undefined,
      );
      busy.set(study, settled);
      try {
        return await result;
      } finally {
        if (busy.get(study) === settled) busy.delete(study);
      }
    },
    idle: async () => {
      await Promise.all(busy.values());
    },
  };
}
