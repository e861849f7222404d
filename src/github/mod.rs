//! GitHub: Deployments and their statuses, comparisons, the OIDC token.
