-- An attempt that ended with everything sent and nothing said yet: the destination reports later whether it has it.
ALTER TABLE delivery_attempts DROP CONSTRAINT delivery_attempts_outcome_check;
ALTER TABLE delivery_attempts ADD CONSTRAINT delivery_attempts_outcome_check CHECK (outcome IN ('succeeded', 'failed', 'waiting'));
