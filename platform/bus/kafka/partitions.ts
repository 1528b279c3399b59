/**
 * Which partition a key is in, and which member has it. Partitions with the same number of all topics of a group go to
 * one member: what happens to a study is seen by one reader, whatever stream it is on.
 */
import { AssignerProtocol, type PartitionAssigner, type PartitionMetadata, Partitioners } from 'kafkajs';

const defaultPartitioner = Partitioners.DefaultPartitioner();
const METADATA = new Map<number, PartitionMetadata[]>();

/** As Kafka's own clients place a key: murmur2 of its bytes. */
export function partitionOf(key: string, partitions: number): number {
  let all = METADATA.get(partitions);
  if (all === undefined) {
    all = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      leader: 1,
      partitionErrorCode: 0,
      replicas: [],
      isr: [],
    }));
    METADATA.set(partitions, all);
  }
  return defaultPartitioner({
    topic: '',
    // The leader is asked for only where there is no key.
    partitionMetadata: all,
    message: { key, value: null },
  });
}

const NAME = 'hub-by-number';
const VERSION = 0;

/** Partition n of every topic to member n modulo members. */
export const byNumber: PartitionAssigner = ({ cluster }) => ({
  name: NAME,
  version: VERSION,
  protocol: ({ topics }) => ({
    name: NAME,
    metadata: AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics, userData: Buffer.alloc(0) }),
  }),
  assign: ({ members, topics }) => {
    const memberIds = members.map(({ memberId }) => memberId).toSorted();
    const assignment = new Map<string, Record<string, number[]>>(memberIds.map((id) => [id, {}]));
    for (const topic of topics) {
      for (const { partitionId } of cluster.findTopicPartitionMetadata(topic)) {
        const owned = assignment.get(memberIds[partitionId % memberIds.length] ?? '');
        if (owned !== undefined) (owned[topic] ??= []).push(partitionId);
      }
    }
    return Promise.resolve(
      [...assignment].map(([memberId, owned]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment: owned,
          userData: Buffer.alloc(0),
        }),
      })),
    );
  },
});
