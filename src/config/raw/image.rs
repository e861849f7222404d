//! Services and their images.

use super::forms::Either;
use super::shape::{record, words};
use super::values::{AnyText, Identifier, InsidePath, Platform, SecretName, VariableName, WorkflowFile};
use super::{List, Named};
use crate::types::{RegistryHost, RepositoryPath, Span, Tag};

record! {
    /// One deployable thing.
    Service = "image: { repository: pmis/api, context: apps/api }" {
        /// Its image. Without it only existing images are deployed (`--image`).
        optional "image" image: Image;
    }
}

record! {
    /// Where an image lives and how it is built. It is built by Shipline as soon as one of the build
    /// keys stands here; with `repository` and `registry` alone it is built elsewhere.
    Image = "repository: pmis/api" {
        /// The repository, without registry and tag.
        required "repository" repository: RepositoryPath;
        /// The registry's host.
        optional "registry" registry: RegistryHost,
            default "the private ECR registry of the environment's account and region";
        /// Build context, relative to the repository.
        optional "context" context: InsidePath, default "`.` when another build key is given";
        /// Dockerfile, relative to the repository.
        optional "dockerfile" dockerfile: InsidePath, default "`Dockerfile` in the context",
            example "apps/api/Dockerfile";
        /// Stage to build.
        optional "target" target: Identifier, default "the last stage";
        /// Platforms to build for.
        optional "platforms" platforms: List<Platform>, default "the builder's own";
        /// Build arguments. They are not secret: they stay readable in the image.
        optional "build-args" build_args: Named<VariableName, AnyText>, example "{ RUST_VERSION: \"1.95\" }";
        /// Secrets mounted while building; they never get into a layer.
        optional "secrets" secrets: List<BuildSecret>, example "[{ id: npm, env: NPM_TOKEN }]";
        /// Where layers are kept between builds.
        optional "cache" cache: CacheWord, default "`off`";
        /// Provenance attestation. It makes an image index, which some consumers do not read.
        optional "provenance" provenance: ProvenanceWord, default "`off`";
        /// Tags beside the full commit id, which is always set.
        optional "tags" tags: List<Either<TagWord, FixedTag>>, default "none",
            example "[latest, semver, { fixed: stable }]";
    }
}

record! {
    /// The workflow that the bot starts for a release whose images are missing. It runs as of the
    /// default branch, with the commit as its input.
    BuildWorkflow = "{ workflow: build.yml }" {
        /// Its file in `.github/workflows`.
        required "workflow" workflow: WorkflowFile;
        /// How long a run may take, at most 24 hours.
        optional "within" within: Span, default "`30m`", example "30m";
    }
}

record! {
    /// One build secret, from an environment variable or a file.
    BuildSecret = "{ id: npm, env: NPM_TOKEN }", one of ["env", "file"] {
        /// Its id in `RUN --mount=type=secret,id=…`.
        required "id" id: Identifier, example "npm";
        /// The environment variable that holds it.
        optional "env" env: SecretName, example "NPM_TOKEN";
        /// The file that holds it, relative to the repository.
        optional "file" file: InsidePath, example "secrets/npmrc";
    }
}

words! {
    /// Where layers are kept.
    CacheWord = "a cache" {
        /// In the image's own repository, under the tag `buildcache`.
        Registry = "registry",
        /// In the cache of GitHub Actions.
        Gha = "gha",
        /// Nowhere.
        Off = "off",
    }
}

words! {
    /// Whether an attestation is attached.
    ProvenanceWord = "a kind of provenance" {
        /// One plain manifest.
        Off = "off",
        /// BuildKit's minimal attestation.
        Min = "min",
    }
}

words! {
    /// A rule for tags.
    TagWord = "a rule for tags" {
        /// The tag `latest`, on the default branch only.
        Latest = "latest",
        /// The branch's name.
        Branch = "branch",
        /// The tag `pr-N` of a pull request.
        PullRequest = "pr",
        /// For the git tag `v1.2.3` the tags `v1.2.3`, `v1.2` and `v1`.
        SemanticVersion = "semver",
    }
}

record! {
    /// A tag that is always set.
    FixedTag = "{ fixed: stable }" {
        /// The tag.
        required "fixed" fixed: Tag;
    }
}
