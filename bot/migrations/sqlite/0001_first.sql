-- Deliveries of GitHub: what is known, what waits, what was put aside.
-- `turn` is 1 for the oldest waiting delivery of its lane: only that one can be claimed.
-- A claimed delivery is due again when its claim runs out.
CREATE TABLE deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery TEXT NOT NULL UNIQUE,
    meaning TEXT NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    event TEXT NOT NULL,
    received BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'parked')),
    turn BIGINT NOT NULL,
    due BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    claim BIGINT NOT NULL,
    worker TEXT,
    why TEXT,
    finished BIGINT
);
CREATE INDEX deliveries_turn ON deliveries (sequence, due) WHERE turn = 1;
CREATE INDEX deliveries_lane ON deliveries (lane, sequence) WHERE state = 'waiting';
CREATE INDEX deliveries_done ON deliveries (received) WHERE state = 'done';
CREATE INDEX deliveries_parked ON deliveries (sequence) WHERE state = 'parked';

-- Heads of pull requests, by the delivery that taught them.
CREATE TABLE heads (
    repository BIGINT NOT NULL,
    pull BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    sha TEXT NOT NULL,
    at BIGINT NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (repository, pull, sequence)
);
CREATE INDEX heads_received ON heads (received);

-- Deployments. `turn` is 1 for the oldest open one of its environment: only that one can be claimed.
-- `woken` is 1 when something happened that its present worker may not have seen.
CREATE TABLE deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository BIGINT NOT NULL,
    environment TEXT NOT NULL,
    comment BIGINT NOT NULL,
    command BIGINT NOT NULL,
    release TEXT NOT NULL,
    asked TEXT NOT NULL,
    state TEXT NOT NULL,
    run BIGINT,
    turn BIGINT NOT NULL,
    due BIGINT NOT NULL,
    woken BIGINT NOT NULL,
    created BIGINT NOT NULL,
    cancel TEXT,
    outcome TEXT,
    details TEXT,
    ended BIGINT,
    UNIQUE (comment, command)
);
CREATE INDEX deployments_due ON deployments (due, id) WHERE turn = 1;
CREATE INDEX deployments_open ON deployments (repository, environment, id) WHERE ended IS NULL;
CREATE INDEX deployments_environment ON deployments (repository, environment, id);
CREATE INDEX deployments_run ON deployments (run) WHERE run IS NOT NULL;

-- One row an environment, never deleted: the fence only grows.
CREATE TABLE leases (
    repository BIGINT NOT NULL,
    environment TEXT NOT NULL,
    fence BIGINT NOT NULL,
    deployment BIGINT NOT NULL REFERENCES deployments (id),
    worker TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (repository, environment)
);

-- Journals of rollouts.
CREATE TABLE entries (
    deployment BIGINT NOT NULL REFERENCES deployments (id),
    sequence BIGINT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (deployment, sequence)
);

-- What was good, where, since when.
CREATE TABLE good (
    deployment BIGINT PRIMARY KEY REFERENCES deployments (id),
    repository BIGINT NOT NULL,
    environment TEXT NOT NULL,
    commit_sha TEXT,
    serves TEXT NOT NULL,
    actor TEXT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX good_environment ON good (repository, environment, since, deployment);

-- People's locks.
CREATE TABLE locks (
    repository BIGINT NOT NULL,
    environment TEXT NOT NULL,
    holder BIGINT NOT NULL,
    until BIGINT,
    lock TEXT NOT NULL,
    PRIMARY KEY (repository, environment)
);

-- Which repository a place belongs to.
CREATE TABLE places (
    place TEXT PRIMARY KEY,
    repository BIGINT NOT NULL,
    claimed BIGINT NOT NULL
);

-- The audit chain. `entry` is canonical JSON without the hash.
CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    entry TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit chain only grows');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit chain only grows');
END;

-- 'SHIP': how a file is known to be ours.
PRAGMA application_id = 1397246288;
