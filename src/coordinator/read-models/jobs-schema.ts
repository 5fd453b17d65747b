/** Tables of jobs that left the memory. Those in memory are not in them. */

export interface JobsTable {
  job_id: string
  organisation_id: string
  name: string
  status: string
  submitted_at_ms: bigint
  ended_at_ms: bigint
  spent: bigint
  tasks: bigint
  tasks_done: bigint
  /** The job as the API shows it, in wire form. */
  entry: string
}

export interface JobTasksTable {
  job_id: string
  step: number
  task: number
  state: string
  /** Of what it made, one after the other with a space between. */
  hashes: string
  /** The task as the API shows it, in wire form. */
  entry: string
}

export const jobsDdl: readonly string[] = [
  `create table read_models.jobs (
    job_id text collate "C" primary key,
    organisation_id text not null,
    name text not null,
    status text not null,
    submitted_at_ms bigint not null,
    ended_at_ms bigint not null,
    spent numeric(40,0) not null,
    tasks bigint not null,
    tasks_done bigint not null,
    entry text not null
  )`,
  'create index on read_models.jobs (organisation_id, submitted_at_ms, job_id)',
  'create index on read_models.jobs (submitted_at_ms, job_id)',
  'create index on read_models.jobs (organisation_id, ended_at_ms)',
  `create table read_models.job_tasks (
    job_id text collate "C" not null,
    step int not null,
    task int not null,
    state text not null,
    hashes text not null,
    entry text not null,
    primary key (job_id, step, task)
  )`,
]

/** A job's id is given once; should it be given again, the later job stands. */
export const UPSERT_JOBS = `
  with told as (
    select * from json_to_recordset($1::text::json) as told(
      job_id text, organisation_id text, name text, status text, submitted_at_ms bigint, ended_at_ms bigint,
      spent numeric, tasks bigint, tasks_done bigint, entry text)
  )
  insert into read_models.jobs (
    job_id, organisation_id, name, status, submitted_at_ms, ended_at_ms, spent, tasks, tasks_done, entry)
  select job_id, organisation_id, name, status, submitted_at_ms, ended_at_ms, spent, tasks, tasks_done, entry
  from told
  on conflict (job_id) do update set
    organisation_id = excluded.organisation_id, name = excluded.name, status = excluded.status,
    submitted_at_ms = excluded.submitted_at_ms, ended_at_ms = excluded.ended_at_ms, spent = excluded.spent,
    tasks = excluded.tasks, tasks_done = excluded.tasks_done, entry = excluded.entry`

export const UPSERT_JOB_TASKS = `
  insert into read_models.job_tasks (job_id, step, task, state, hashes, entry)
  select job_id, step, task, state, hashes, entry
  from json_to_recordset($1::text::json) as told(
    job_id text, step int, task int, state text, hashes text, entry text)
  on conflict (job_id, step, task) do update set
    state = excluded.state, hashes = excluded.hashes, entry = excluded.entry`
