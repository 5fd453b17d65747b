declare module 'virtual:catalogue' {
  import type { Catalogue } from '../src/economics/catalogue.ts'

  export const catalogue: Catalogue
}
