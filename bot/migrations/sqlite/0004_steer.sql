-- What somebody last said about a rollout that moves traffic step by step: promote, pause, resume.
ALTER TABLE deployments ADD COLUMN steer TEXT;
