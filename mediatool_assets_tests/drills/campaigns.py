"""The small source of drills: accounts, campaigns and plans, and a model of them."""

MODEL = """
tables: {accounts: , campaigns: , plans: }
collections:
  accounts: accounts
  campaigns:
    root: campaigns
    add:
      accountName:
        look_up: account_id -> accounts.id
        take: name
      plans:
        embed_many: id -> plans.campaign_id
        orphans: plansWithoutCampaign
    indexes: [accountId]
"""

_DDL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE accounts (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE campaigns (
    id text PRIMARY KEY, account_id text REFERENCES accounts, budget numeric(12, 2),
    channel text, created_at timestamptz);
CREATE INDEX campaigns_account ON campaigns (account_id);
CREATE TABLE plans (id int PRIMARY KEY, campaign_id text REFERENCES campaigns, spend numeric(9, 2));
INSERT INTO accounts VALUES ('a1', 'Åre'), ('b2', 'Boo'), ('c3', 'Clo');
INSERT INTO campaigns SELECT n::text, 'a1', n + 0.25, 'search', '2025-06-01 10:00:00.123456+00'
    FROM generate_series(1, 5) AS n;
INSERT INTO plans SELECT n, (n % 2 + 1)::text, n * 1.5 FROM generate_series(1, {plans}) AS n;
"""


def ddl(plans: int) -> str:
    """The script that makes the source, with so many plans."""
    return _DDL.replace("{plans}", str(plans))
