/** The configuration and the command line. */
import type { ErrorRow } from './row.ts';

export const CONFIGURATION_ERRORS = {
  'config.invalid': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Configuration is not valid',
    remedy: 'Run `hub check` and mend what it lists.',
  },
  'config.not-taken': {
    dimse: 0x0110,
    http: 422,
    retry: 'permanent',
    title: 'The configuration was not taken',
    remedy: 'The hub goes on with what is in force. Mend what the detail lists, then `hub reload`.',
  },
  'config.file-differs': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Another configuration is in force than the file says',
    remedy:
      '`hub reload` takes what the file says; `hub routes show VERSION` prints what is in force, to be written there.',
  },
  'config.behind': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Other replicas have a configuration that this one has not taken yet',
    remedy: 'Give this replica the same file and `hub reload` it; what waits goes on by itself then.',
  },
  'plugin.unusable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'A connector or processor that the configuration names cannot be loaded',
    remedy: 'Install the hub anew as its manual says: a package is missing or damaged.',
  },
  'command.usage': {
    dimse: 0x0110,
    http: 400,
    retry: 'permanent',
    title: 'Wrong usage',
    remedy: 'See `hub --help`.',
  },
  'command.interrupted': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'Interrupted',
    remedy: 'Run the command again: what it did so far stands.',
  },
  'file.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'File cannot be used',
    remedy: 'Check the path, its permissions and the disk.',
  },
  'backup.unusable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Backup cannot be used',
    remedy: 'Nothing was changed. Take the backup before it, or another place to put it: see docs/operations.md.',
  },
} as const satisfies Record<string, ErrorRow>;
