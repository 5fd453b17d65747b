/** The job by which somebody else renders a part of a result again. */
import type { NodeClass } from '#protocol/node-class.ts'
import type { TaskParams } from '#protocol/task.ts'
import type { Audit } from '#verify/verify.ts'
import type { AuditBy } from '#verify/verify-events.ts'
import { type Job, stepOf, type Task, taskOf } from '#work/work.ts'
import type { JobPlan } from '#work/work-events.ts'

export interface AuditPlanInput {
  readonly auditJobId: string
  readonly audit: Audit
  /** Whose result it is of. */
  readonly job: Job
  readonly by: AuditBy
  readonly notOf: readonly string[]
  /** Of the nodes that may render it. */
  readonly minClass: NodeClass
}

const PRIORITY = 100
/** Of a frame: its crops take a hundredth, but the scene has to be brought to the frame first. */
const CROPS_SHARE = 0.1
const CROPS_MS_MIN = 50

export function planAudit({ auditJobId, audit, job, by, notOf, minClass }: AuditPlanInput): JobPlan {
  const { jobId, step: ofStep, task: ofTask, fence } = audit
  const step = stepOf(job, ofStep)
  const task = taskOf(job, audit)
  const { organisationId, name, pricePerHour } = job
  return {
    jobId: auditJobId,
    organisationId,
    name,
    priority: PRIORITY,
    cap: null,
    pricePerHour,
    // A second copy would be of no use.
    isIdempotent: false,
    isVerified: false,
    purpose: 'audit',
    audits: { jobId, step: ofStep, task: ofTask, fence },
    minClass,
    steps: [
      {
        name: step.name,
        // Its own alone: no result of another may stand in for it.
        digest: `audit ${auditJobId}`,
        dependsOn: [],
        requirements: step.requirements,
        inputRoot: step.inputRoot,
        inputBytes: step.inputBytes,
        settings: step.settings,
        notOfOrganisations: [...notOf],
        tasks: [by === 'frame' ? wholeOf(task) : cropsOf(task, audit.crops)],
      },
    ],
  }
}

const wholeOf = ({ params, referenceMs, referenceMsP90 }: Task) => ({ params, referenceMs, referenceMsP90 })

function cropsOf({ params, referenceMs, referenceMsP90 }: Task, crops: string) {
  const { frame = 0, samples, seed, sampleOffset } = params
  const own: TaskParams = {
    do: 'crops',
    frame,
    crops,
    ...(samples !== undefined && { samples }),
    ...(seed !== undefined && { seed }),
    ...(sampleOffset !== undefined && { sampleOffset }),
  }
  const partMs = Math.max(CROPS_MS_MIN, Math.round(referenceMs * CROPS_SHARE))
  return { params: own, referenceMs: partMs, referenceMsP90: Math.max(partMs, referenceMsP90) }
}

/** What is for trusted nodes alone is audited by such, and a vetted node by vetted ones. No audit asks for more. */
export const auditClass = (ofJob: NodeClass = 'community', ofNode: NodeClass = 'community'): NodeClass =>
  ofJob === 'community' && ofNode === 'community' ? 'community' : 'vetted'
