/** What crosses between the runner's thread and a worker's. */
import type { PackedError } from '../core/packed-error.ts';
import type { CrosswalkAnswer } from '../core/ledger/crosswalk.ts';
import type { PastQuestion, PastScan } from '../core/ledger/qc-history.ts';
import type { Device, ProcessorResult } from '../core/plugins.ts';
import type { LogFields } from '../core/ports.ts';
import type { RunItem } from '../core/store.ts';

/** One step to be worked. Everything in it survives structured cloning. */
export interface WorkOrder {
  readonly processor: string;
  readonly options: unknown;
  readonly runId: string;
  readonly route: string;
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly items: readonly RunItem[];
  /** Used once: run, step and fence. */
  readonly packName: string;
}

export type ToWorker =
  | { readonly kind: 'work'; readonly order: WorkOrder }
  /** Whether these can be loaded at all. */
  | { readonly kind: 'load'; readonly processors: readonly string[] }
  /** Steps of these will come: their code may be loaded meanwhile. Not answered; what cannot be loaded says so with its step. */
  | { readonly kind: 'warm'; readonly processors: readonly string[] }
  | { readonly kind: 'abort' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: LedgerAnswers[keyof LedgerAnswers] }
  | { readonly kind: 'no-answer'; readonly id: number; readonly error: PackedError };

/** What a worker, which has no ledger, may ask of it. */
export type LedgerQuestion =
  | { readonly question: 'find' | 'received'; readonly of: readonly string[] }
  | { readonly question: 'past'; readonly of: PastQuestion }
  | { readonly question: 'device' };

export interface LedgerAnswers {
  readonly find: CrosswalkAnswer;
  readonly received: readonly string[];
  readonly past: readonly PastScan[];
  readonly device: Device;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export type FromWorker =
  | { readonly kind: 'progress'; readonly fraction: number }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'ask'; readonly id: number; readonly ask: LedgerQuestion }
  /** The pack is committed: what the result refers to survives the power plug. */
  | { readonly kind: 'finished'; readonly result: ProcessorResult }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'failed'; readonly error: PackedError };

/** Both ends are ours and of one version: a message is what its sender says. */
export const parseFromWorker = (message: unknown): FromWorker => message as FromWorker;
export const parseAnswer = <Question extends keyof LedgerAnswers>(
  _question: Question,
  answer: unknown,
): LedgerAnswers[Question] => answer as LedgerAnswers[Question];
export const parseToWorker = (message: unknown): ToWorker => message as ToWorker;
