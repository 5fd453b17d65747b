/** The statements that write rows, each with all of its rows as one JSON parameter. */

export const INSERT_ACCOUNTS = `
  insert into read_models.accounts (account_id, kind, total)
  select account_id, kind, 0 from json_to_recordset($1::text::json) as opened(account_id text, kind text)`

/**
 * All parts of one statement see the tables as they were before it, so `total` is the balance before the first new
 * line. A line of an account that was never opened has no total, and `not null` refuses the whole.
 */
export const INSERT_LINES = `
  with posted as (
    select * from json_to_recordset($1::text::json) as posted(
      sequence bigint, line int, account_id text, kind text, amount numeric, counterparty_account_id text,
      transfer_id text, request_id text, external_reference text, memo text, at_ms bigint)
  ), moved as (
    update read_models.accounts set total = total + gained.amount
    from (select account_id, sum(amount) as amount from posted group by account_id) as gained
    where accounts.account_id = gained.account_id
  )
  insert into read_models.statement_lines (
    sequence, line, account_id, kind, amount, balance_after, counterparty_account_id,
    transfer_id, request_id, external_reference, memo, at_ms)
  select
    sequence, line, account_id, posted.kind, amount,
    total + sum(amount) over (partition by account_id order by sequence, line), counterparty_account_id,
    transfer_id, request_id, external_reference, memo, at_ms
  from posted left join read_models.accounts using (account_id)`

export const INSERT_USAGE = `
  with recorded as (
    select * from json_to_recordset($1::text::json) as recorded(
      sequence bigint, line int, day text, request_id text, organisation_id text, project_id text, key_id text, model text,
      kind text, outcome text, node_ids text, prompt_tokens numeric, cached_prompt_tokens numeric,
      completion_tokens numeric, cost numeric, fee numeric, transfer_id text, started_at_ms bigint, first_token_ms bigint, total_ms bigint,
      counts int)
  ), inserted as (
    insert into read_models.usage_lines (
      sequence, line, request_id, organisation_id, project_id, key_id, model, kind, outcome, node_ids, prompt_tokens,
      cached_prompt_tokens, completion_tokens, cost, fee, transfer_id, started_at_ms, first_token_ms, total_ms)
    select
      sequence, line, request_id, organisation_id, project_id, key_id, model, kind, outcome, node_ids, prompt_tokens,
      cached_prompt_tokens, completion_tokens, cost, fee, transfer_id, started_at_ms, first_token_ms, total_ms
    from recorded
  )
  insert into read_models.usage_days as days (
    organisation_id, project_id, day, model, requests, prompt_tokens, cached_prompt_tokens, completion_tokens, cost, fee)
  select
    organisation_id, project_id, day, model, sum(counts), sum(prompt_tokens), sum(cached_prompt_tokens),
    sum(completion_tokens), sum(cost), sum(fee)
  from recorded group by organisation_id, project_id, day, model
  on conflict (organisation_id, project_id, day, model) do update set
    requests = days.requests + excluded.requests,
    prompt_tokens = days.prompt_tokens + excluded.prompt_tokens,
    cached_prompt_tokens = days.cached_prompt_tokens + excluded.cached_prompt_tokens,
    completion_tokens = days.completion_tokens + excluded.completion_tokens,
    cost = days.cost + excluded.cost,
    fee = days.fee + excluded.fee`

export const INSERT_AUDIT = `
  insert into read_models.audit_entries (sequence, line, organisation_id, chain_sequence, act, entry)
  select sequence, line, organisation_id, chain_sequence, act, entry
  from json_to_recordset($1::text::json) as noted(
    sequence bigint, line int, organisation_id text, chain_sequence bigint, act text, entry text)`

export const INSERT_ALERTS = `
  insert into read_models.alerts (
    sequence, line, organisation_id, key_id, budget_id, window_kind, share_percent, spent, spend_limit, at_ms)
  select
    sequence, line, organisation_id, key_id, budget_id, window_kind, share_percent, spent, spend_limit, at_ms
  from json_to_recordset($1::text::json) as told(
    sequence bigint, line int, organisation_id text, key_id text, budget_id text, window_kind text,
    share_percent int, spent numeric, spend_limit numeric, at_ms bigint)`

/** Each row has all that is known of its payout, so the newest stands. */
export const UPSERT_PAYOUTS = `
  insert into read_models.payouts as payouts (
    payout_id, sequence, line, organisation_id, account_id, amount, method, destination, state,
    requested_at_ms, settled_at_ms, external_reference, reason)
  select
    payout_id, sequence, line, organisation_id, account_id, amount, method, destination, state,
    requested_at_ms, settled_at_ms, external_reference, reason
  from json_to_recordset($1::text::json) as told(
    payout_id text, sequence bigint, line int, organisation_id text, account_id text, amount numeric,
    method text, destination text, state text, requested_at_ms bigint, settled_at_ms bigint,
    external_reference text, reason text)
  on conflict (payout_id) do update set
    state = excluded.state,
    settled_at_ms = excluded.settled_at_ms,
    external_reference = excluded.external_reference,
    reason = excluded.reason`
