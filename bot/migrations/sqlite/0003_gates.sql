-- Gates: questions that people answer before something goes on. `name` says whose gate it is, so that it
-- is opened once. `due` is when somebody must look at a gate that belongs to no deployment.
CREATE TABLE gates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    deployment BIGINT REFERENCES deployments (id),
    repository BIGINT NOT NULL,
    environment TEXT NOT NULL,
    issue BIGINT,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected', 'expired', 'void')),
    gate TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    opened BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    decided BIGINT,
    due BIGINT
);
CREATE INDEX gates_deployment ON gates (deployment, id) WHERE deployment IS NOT NULL;
CREATE INDEX gates_waiting ON gates (repository, id) WHERE state = 'waiting';
CREATE INDEX gates_due ON gates (due, id) WHERE due IS NOT NULL;

-- The answers: the last one of each person to each gate. `state` is `withdrawn` for a yes that counts no more.
CREATE TABLE approvals (
    gate BIGINT NOT NULL REFERENCES gates (id),
    actor BIGINT NOT NULL,
    hash TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
    state TEXT NOT NULL CHECK (state IN ('counts', 'withdrawn')),
    token TEXT NOT NULL,
    approval TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (gate, actor)
);
CREATE INDEX approvals_token ON approvals (token);
