//! ECS services on Fargate or EC2.
