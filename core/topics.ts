/** A topic of somebody's Kafka, as a connector writes to it: its client has its home elsewhere. */

export interface TopicBrokers {
  readonly clientId: string;
  /** `host:port`, any of which leads to the others. */
  readonly brokers: readonly string[];
  /** PEM texts; empty: the authorities the system trusts, no certificate of ours. */
  readonly tls?:
    | { readonly ca?: string | undefined; readonly certificate?: string | undefined; readonly key?: string | undefined }
    | undefined;
  readonly sasl?:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

export interface TopicMessage {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Connects when it is first needed, and anew after a failure. */
export interface TopicWriter {
  /**
   * Resolves when every replica in sync has all of them, in their order. One batch at a time, whoever calls.
   *
   * @throws {HubError} `bus.…`: some of them may be there
   */
  write(topic: string, messages: readonly TopicMessage[]): Promise<void>;
  /** How many partitions the topic has. @throws {HubError} `bus.topic-missing` and other `bus.…` */
  partitions(topic: string): Promise<number>;
  close(): Promise<void>;
}

export type OpenTopics = (brokers: TopicBrokers) => Promise<TopicWriter>;
